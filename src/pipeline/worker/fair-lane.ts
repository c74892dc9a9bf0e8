import { DiaristError } from '../../core/errors.ts';

/** Whose turn a task takes, and how large a share that flow has beside others: infinite goes before all that waits. */
export interface Turn {
  readonly flow: string;
  readonly weight: number;
  /** Other flows may come at any time: it leaves the lane's reserve to them. */
  readonly sharing: boolean;
  /** Before what the flow has waiting, because that is told or kept behind it. */
  readonly ahead?: boolean;
}

interface Waiting {
  readonly sharing: boolean;
  /** Of the task over the weight of its flow. */
  readonly cost: number;
  readonly begin: () => void;
}

interface Flow {
  /** Where its turn was when its last task began, or the clock of the lane when it came. */
  served: number;
  running: number;
  readonly waiting: Waiting[];
}

/**
 * Work of one kind, at most `slots` tasks at a time. Inside a flow tasks begin in order of arrival, but for those that go ahead; flows take turns so
 * that those who wait get the same cost per weight served, whatever the number and size of their tasks: self-clocked
 * fair queueing (Golestani, 1994) with the tag of a task given when it is the first of its flow, so that tasks that are
 * cancelled leave no trace. A new flow begins where the lane is now: it neither waits for what others have queued nor
 * keeps those from their next turn. Flows that have a task running leave `reserve` slots free, so that a new one need
 * not wait until something ends.
 */
export class FairLane {
  readonly #slots: number;
  readonly #reserve: number;
  readonly #flows = new Map<string, Flow>();
  #clock = 0;
  #running = 0;
  #waiting = 0;

  constructor(slots: number, reserve = 0) {
    this.#slots = slots;
    this.#reserve = reserve;
  }

  /** Tasks that have begun and not ended. */
  get running(): number {
    return this.#running;
  }

  get hasWaiting(): boolean {
    return this.#waiting > 0;
  }

  /** Runs a task in its turn. Rejects with `cancelled` where the signal aborts before that. */
  run<T>(turn: Turn, cost: number, task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted === true) return Promise.reject(cancelled());
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        flow.waiting.splice(flow.waiting.indexOf(waiting), 1);
        this.#waiting--;
        this.#forget(turn.flow, flow);
        reject(cancelled());
      };
      const waiting: Waiting = {
        sharing: turn.sharing,
        cost: cost / turn.weight,
        begin: () => {
          signal?.removeEventListener('abort', onAbort);
          const end = (): void => {
            this.#running--;
            flow.running--;
            this.#forget(turn.flow, flow);
            this.#beginNext();
          };
          task().then(resolve, reject).finally(end);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      const flow = this.#flows.get(turn.flow) ?? { served: this.#clock, running: 0, waiting: [] };
      this.#flows.set(turn.flow, flow);
      // One that had nothing to wait for has earned nothing by that.
      if (flow.waiting.length === 0) flow.served = Math.max(flow.served, this.#clock);
      if (turn.ahead === true) flow.waiting.unshift(waiting);
      else flow.waiting.push(waiting);
      this.#waiting++;
      this.#beginNext();
    });
  }

  #beginNext(): void {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const { flow, tag } = next;
      this.#clock = Math.max(this.#clock, tag);
      flow.served = tag;
      flow.running++;
      this.#running++;
      this.#waiting--;
      flow.waiting.shift()!.begin();
    }
  }

  /** The flow whose turn it is. */
  #next(): { readonly flow: Flow; readonly tag: number } | undefined {
    const free = this.#slots - this.#running;
    let next: { readonly flow: Flow; readonly tag: number } | undefined;
    if (free <= 0 || this.#waiting === 0) return undefined;
    // A Map keeps the order of arrival: of equal tags the flow that came first wins.
    for (const flow of this.#flows.values()) {
      const first = flow.waiting[0];
      if (first === undefined || (first.sharing && flow.running > 0 && free <= this.#reserve)) continue;
      const tag = flow.served + first.cost;
      if (next === undefined || tag < next.tag) next = { flow, tag };
    }
    return next;
  }

  #forget(name: string, flow: Flow): void {
    if (flow.running === 0 && flow.waiting.length === 0) this.#flows.delete(name);
  }
}

function cancelled(): DiaristError {
  return new DiaristError('cancelled', 'Cancelled.');
}
