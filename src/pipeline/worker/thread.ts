import { parentPort, workerData } from 'node:worker_threads';
import { toDiaristError } from '../../core/errors.ts';
import type { ThreadMessage, WorkerMessage } from '../../inference/worker-pool.ts';
import { Kernels } from './kernels.ts';
import type { LanguageQuestion, WorkerResult, WorkerSetup, WorkerTask } from './protocol.ts';

/** Entry of an inference worker: takes tasks, several at a time, and answers each once. */
const port = parentPort;
if (port === null) throw new Error('this module runs as a worker');
const kernels = new Kernels(workerData as WorkerSetup);
const replies = new Map<number, (reply: unknown) => void>();
const cancelled = new Set<number>();

const send = (message: WorkerMessage<WorkerResult, LanguageQuestion>) => port.postMessage(message);

async function run(id: number, task: WorkerTask): Promise<void> {
  try {
    const result = await kernels.run(task, {
      cancelled: () => cancelled.has(id),
      askLanguage: (probabilities) => {
        const { promise, resolve } = Promise.withResolvers<unknown>();
        replies.set(id, resolve);
        send({ kind: 'notice', id, notice: { probabilities } });
        return promise as Promise<string>;
      },
    });
    send({ kind: 'done', id, result });
  } catch (error) {
    const { code, message } = toDiaristError(error);
    send({ kind: 'failed', id, code, message });
  } finally {
    replies.delete(id);
    cancelled.delete(id);
  }
}

port.on('message', (message: ThreadMessage<WorkerTask>) => {
  if (message.kind === 'task') void run(message.id, message.task);
  else if (message.kind === 'reply') replies.get(message.id)?.(message.reply);
  else cancelled.add(message.id);
});
send({ kind: 'ready' });
