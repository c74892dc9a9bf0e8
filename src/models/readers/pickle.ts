import { DiaristError } from '../../core/errors.ts';

/** What a pickle may hold here. A dictionary is a Map, whatever its class was. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | Set<PickleValue>
  | PickleGlobal
  | PickleRecord
  | PersistentObject;

/** A name that the pickle refers to; nothing is ever imported or called for it. */
export class PickleGlobal {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** An object that was kept as data: the class it named, what it was made from, and its state. */
export class PickleRecord {
  readonly of: string;
  readonly args: readonly PickleValue[];
  state: PickleValue = null;
  constructor(of: string, args: readonly PickleValue[]) {
    this.of = of;
    this.args = args;
  }
}

/** What {@link UnpickleOptions.persistentLoad} returned: an object that lives outside the pickle. */
export interface PersistentObject {
  readonly kind: 'external';
}

export interface UnpickleOptions {
  /** Names that may stand in the pickle. Any other is refused by name. */
  readonly allowed: ReadonlySet<string>;
  /** Turns the call of an allowed name into a value; without a result the call is kept as a {@link PickleRecord}. */
  readonly build: (name: string, args: readonly PickleValue[]) => PickleValue | undefined;
  readonly persistentLoad: (id: PickleValue) => PersistentObject;
  /** Names the file in errors. */
  readonly label: string;
}

const MARK = Symbol('mark');
type StackItem = PickleValue | typeof MARK;

/**
 * Reads a pickle (protocols 2 to 5) without running anything: names become inert markers, calls become data. A name
 * that is not allowed is refused with `model_unsupported`; malformed bytes are `model_corrupt`. Opcodes:
 * Python's Lib/pickletools.py.
 */
export function unpickle(bytes: Uint8Array, options: UnpickleOptions): PickleValue {
  return new Unpickler(bytes, options).run();
}

class Unpickler {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #options: UnpickleOptions;
  readonly #stack: StackItem[] = [];
  readonly #memo = new Map<number, PickleValue>();
  #at = 0;

  constructor(bytes: Uint8Array, options: UnpickleOptions) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#options = options;
  }

  run(): PickleValue {
    for (;;) {
      const opcode = this.#u8();
      if (opcode === 0x2e) return this.#pop(); // STOP
      this.#step(opcode);
    }
  }

  #corrupt(why: string): DiaristError {
    return new DiaristError(
      'model_corrupt',
      `${this.#options.label} is damaged (${why}); fetch it again with "diarist models pull", or replace it.`,
    );
  }

  #step(opcode: number): void {
    switch (opcode) {
      case 0x80: // PROTO
        this.#u8();
        return;
      case 0x95: // FRAME
        this.#take(8);
        return;
      case 0x28: // MARK
        this.#stack.push(MARK);
        return;
      case 0x30: // POP
        this.#stack.pop();
        return;
      case 0x32: // DUP
        this.#stack.push(this.#top());
        return;
      case 0x31: // POP_MARK
        this.#popToMark();
        return;
      default:
        if (this.#constant(opcode) || this.#container(opcode) || this.#memory(opcode) || this.#object(opcode)) return;
        throw this.#corrupt(`its pickle has the unexpected opcode 0x${opcode.toString(16)}`);
    }
  }

  #constant(opcode: number): boolean {
    const value = this.#constantValue(opcode);
    if (value === undefined) return false;
    this.#stack.push(value);
    return true;
  }

  #constantValue(opcode: number): PickleValue | undefined {
    switch (opcode) {
      case 0x4e:
        return null;
      case 0x88:
        return true;
      case 0x89:
        return false;
      case 0x4b: // BININT1
        return this.#u8();
      case 0x4d: // BININT2
        return this.#view.getUint16(this.#take(2), true);
      case 0x4a: // BININT
        return this.#view.getInt32(this.#take(4), true);
      case 0x8a: // LONG1
        return this.#long(this.#u8());
      case 0x47: // BINFLOAT
        return this.#view.getFloat64(this.#take(8), false);
      case 0x8c: // SHORT_BINUNICODE
        return this.#text(this.#u8());
      case 0x58: // BINUNICODE
        return this.#text(this.#u32());
      case 0x8d: // BINUNICODE8
        return this.#text(this.#u64());
      case 0x55: // SHORT_BINSTRING
        return this.#text(this.#u8());
      case 0x54: // BINSTRING
        return this.#text(this.#u32());
      case 0x43: // SHORT_BINBYTES
        return this.#slice(this.#u8());
      case 0x42: // BINBYTES
        return this.#slice(this.#u32());
      default:
        return undefined;
    }
  }

  #container(opcode: number): boolean {
    switch (opcode) {
      case 0x7d: // EMPTY_DICT
        this.#stack.push(new Map());
        return true;
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        this.#stack.push([]);
        return true;
      case 0x8f: // EMPTY_SET
        this.#stack.push(new Set());
        return true;
      case 0x6c: // LIST
      case 0x74: // TUPLE
        this.#stack.push(this.#popToMark());
        return true;
      case 0x64: // DICT
        this.#stack.push(new Map());
        this.#setItems(this.#spliceBelowTop());
        return true;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        this.#stack.push(this.#popMany(opcode - 0x84));
        return true;
      case 0x61: // APPEND
        this.#appendItems([this.#pop()]);
        return true;
      case 0x65: // APPENDS
        this.#appendItems(this.#popToMark());
        return true;
      case 0x73: // SETITEM
        this.#setItems(this.#popMany(2));
        return true;
      case 0x75: // SETITEMS
        this.#setItems(this.#popToMark());
        return true;
      case 0x90: // ADDITEMS
        this.#addItems(this.#popToMark());
        return true;
      default:
        return false;
    }
  }

  /** The items above the mark that lies below the value just pushed. */
  #spliceBelowTop(): PickleValue[] {
    const top = this.#pop();
    const items = this.#popToMark();
    this.#stack.push(top);
    return items;
  }

  #memory(opcode: number): boolean {
    switch (opcode) {
      case 0x71: // BINPUT
        this.#memo.set(this.#u8(), this.#top());
        return true;
      case 0x72: // LONG_BINPUT
        this.#memo.set(this.#u32(), this.#top());
        return true;
      case 0x94: // MEMOIZE
        this.#memo.set(this.#memo.size, this.#top());
        return true;
      case 0x68: // BINGET
        this.#recall(this.#u8());
        return true;
      case 0x6a: // LONG_BINGET
        this.#recall(this.#u32());
        return true;
      default:
        return false;
    }
  }

  #object(opcode: number): boolean {
    switch (opcode) {
      case 0x63: // GLOBAL
        this.#pushGlobal(this.#line(), this.#line());
        return true;
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.#popMany(2);
        this.#pushGlobal(String(module), String(name));
        return true;
      }
      case 0x69: // INST names a class like GLOBAL does; it only ever occurs in protocol 0.
        this.#pushGlobal(this.#line(), this.#line());
        throw this.#corrupt('its pickle is of an old protocol');
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const [callee, args] = this.#popMany(2);
        this.#stack.push(this.#call(callee, args));
        return true;
      }
      case 0x62: // BUILD
        this.#buildState(this.#pop());
        return true;
      case 0x51: // BINPERSID
        this.#stack.push(this.#options.persistentLoad(this.#pop()));
        return true;
      default:
        return false;
    }
  }

  #pushGlobal(module: string, name: string): void {
    const full = `${module}.${name}`;
    if (!this.#options.allowed.has(full)) {
      throw new DiaristError(
        'model_unsupported',
        `${this.#options.label} asks to run "${full}", which weights have no need of, so it was refused; use a safetensors version of the model.`,
      );
    }
    this.#stack.push(new PickleGlobal(full));
  }

  #call(callee: PickleValue | undefined, args: PickleValue | undefined): PickleValue {
    if (!(callee instanceof PickleGlobal) || !Array.isArray(args)) throw this.#corrupt('its pickle calls no name');
    return this.#options.build(callee.name, args) ?? new PickleRecord(callee.name, args);
  }

  #buildState(state: PickleValue): void {
    const target = this.#top();
    if (target instanceof PickleRecord) target.state = state;
    // An OrderedDict with attributes (torch puts `_metadata` on state dicts): they are not weights.
    else if (!(target instanceof Map)) throw this.#corrupt('its pickle gives state to a plain value');
  }

  #recall(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.#corrupt('its pickle refers to nothing');
    this.#stack.push(value);
  }

  #appendItems(items: readonly PickleValue[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) throw this.#corrupt('its pickle appends to no list');
    for (const item of items) list.push(item);
  }

  #addItems(items: readonly PickleValue[]): void {
    const set = this.#top();
    if (!(set instanceof Set)) throw this.#corrupt('its pickle adds to no set');
    for (const item of items) set.add(item);
  }

  #setItems(pairs: readonly PickleValue[]): void {
    const target = this.#top();
    if (!(target instanceof Map) || pairs.length % 2 !== 0)
      throw this.#corrupt('its pickle sets items of no dictionary');
    for (let index = 0; index < pairs.length; index += 2) target.set(pairs[index]!, pairs[index + 1]!);
  }

  #top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined || value === MARK) throw this.#corrupt('its pickle uses a value that is not there');
    return value;
  }

  #pop(): PickleValue {
    const value = this.#top();
    this.#stack.pop();
    return value;
  }

  #popMany(count: number): PickleValue[] {
    const values = Array.from({ length: count }, () => this.#pop());
    return values.reverse();
  }

  #popToMark(): PickleValue[] {
    const mark = this.#stack.lastIndexOf(MARK);
    if (mark < 0) throw this.#corrupt('its pickle closes a group that it never opened');
    const values = this.#stack.splice(mark).slice(1);
    return values as PickleValue[];
  }

  /** Moves on by `count` bytes and returns where they start. */
  #take(count: number): number {
    const start = this.#at;
    if (start + count > this.#bytes.length) throw this.#corrupt('its pickle was cut short');
    this.#at += count;
    return start;
  }

  #u8(): number {
    return this.#bytes[this.#take(1)]!;
  }

  #u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  #u64(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }

  #slice(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  #text(length: number): string {
    return new TextDecoder().decode(this.#slice(length));
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.#corrupt('its pickle was cut short');
    const text = this.#text(end - this.#at);
    this.#take(1);
    return text;
  }

  /** Little-endian two's complement of `length` bytes. */
  #long(length: number): number | bigint {
    const bytes = this.#slice(length);
    let value = 0n;
    for (let index = length - 1; index >= 0; index--) value = (value << 8n) | BigInt(bytes[index]!);
    if (length > 0 && bytes[length - 1]! >= 0x80) value -= 1n << BigInt(8 * length);
    const small = Number(value);
    return Number.isSafeInteger(small) ? small : value;
  }
}
