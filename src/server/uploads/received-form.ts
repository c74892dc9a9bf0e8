import { rm } from 'node:fs/promises';
import { DiaristError } from '../../core/errors.ts';
import type { SpooledFile } from '../../jobs/types.ts';
import type { Form } from '../types.ts';

/** Fields and files as they arrive. Disposing of it removes the files that nobody took. */
export class ReceivedForm implements Form {
  readonly fields = new Map<string, string[]>();
  readonly files = new Map<string, SpooledFile>();

  addField(name: string, value: string): void {
    const key = fieldName(name);
    const values = this.fields.get(key);
    if (values === undefined) this.fields.set(key, [value]);
    else values.push(value);
  }

  /** What `other` says replaces what stands here. */
  override(other: ReceivedForm): void {
    for (const [name, values] of other.fields) this.fields.set(name, values);
  }

  /** Throws `invalid_request` where a field has two files. */
  addFile(name: string, file: SpooledFile): void {
    const key = fieldName(name);
    if (this.files.has(key)) {
      throw new DiaristError('invalid_request', `${key} came twice: send one file a request.`, { param: key });
    }
    this.files.set(key, file);
  }

  /** A lone file under another name is what was wanted. */
  adoptLoneFile(wanted: readonly string[]): void {
    const [lone] = this.files;
    const target = wanted[0];
    if (this.files.size !== 1 || lone === undefined || target === undefined || wanted.includes(lone[0])) return;
    this.files.delete(lone[0]);
    this.files.set(target, lone[1]);
  }

  take(name: string): SpooledFile | undefined {
    const file = this.files.get(name);
    this.files.delete(name);
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const left = [...this.files.values()];
    this.files.clear();
    await Promise.all(left.map((file) => rm(file.path, { force: true })));
  }
}

/** `k`, `k[]` and `k[0]` are all `k`; `k[type]` is a field of its own. */
function fieldName(name: string): string {
  return name.replace(/\[\d*\]$/, '');
}
