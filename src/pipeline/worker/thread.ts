import { parentPort, workerData } from 'node:worker_threads';
import { DiaristError, toDiaristError } from '../../core/errors.ts';
import type { ThreadMessage, WorkerMessage } from '../../inference/worker-pool.ts';
import { Kernels } from './kernels.ts';
import type { COME_AGAIN } from './language-desk.ts';
import type { LanguageQuestion, WorkerResult, WorkerSetup, WorkerTask } from './protocol.ts';

/** Entry of an inference worker: takes tasks, several at a time, and answers each once. */
const port = parentPort;
if (port === null) throw new Error('this module runs as a worker');
const kernels = new Kernels(workerData as WorkerSetup);
/** Questions that wait for their reply. */
const questions = new Map<number, PromiseWithResolvers<unknown>>();
const cancelled = new Set<number>();

const send = (message: WorkerMessage<WorkerResult, LanguageQuestion>) => port.postMessage(message);

async function run(id: number, task: WorkerTask): Promise<void> {
  try {
    const result = await kernels.run(task, {
      cancelled: () => cancelled.has(id),
      askLanguage: (probabilities) => {
        const question = Promise.withResolvers<unknown>();
        questions.set(id, question);
        send({ kind: 'notice', id, notice: { probabilities } });
        return question.promise as Promise<string | typeof COME_AGAIN>;
      },
    });
    send({ kind: 'done', id, result });
  } catch (error) {
    const { code, message } = toDiaristError(error);
    send({ kind: 'failed', id, code, message });
  } finally {
    questions.delete(id);
    cancelled.delete(id);
  }
}

/** A cancelled task must not wait for a reply: the recording that would give it is gone. */
function cancel(id: number): void {
  cancelled.add(id);
  questions.get(id)?.reject(new DiaristError('cancelled', 'Cancelled.'));
}

port.on('message', (message: ThreadMessage<WorkerTask>) => {
  if (message.kind === 'task') void run(message.id, message.task);
  else if (message.kind === 'reply') questions.get(message.id)?.resolve(message.reply);
  else cancel(message.id);
});
send({ kind: 'ready' });
