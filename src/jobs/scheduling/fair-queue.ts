import type { Seconds } from '../../core/units.ts';

export interface QueueItem {
  readonly id: string;
  /** Items of one flow leave in the order of their `order`; flows share by turns. */
  readonly flow: string;
  /** Share of the flow: one of weight 2 gets twice as much as one of weight 1. */
  readonly weight: number;
  readonly order: number;
  /** Work that the item is. */
  readonly costSeconds: Seconds;
}

interface Flow<T> {
  readonly items: T[];
  /** Start tag of the item in front: the virtual time at which its turn comes. */
  tag: number;
}

/**
 * Start-time fair queueing (Goyal, Vin, Cheng: "Start-time Fair Queueing", 1996): each flow is charged its items' cost
 * divided by its weight, and the flow that was charged least is next. A flow that had nothing to do begins at the present
 * virtual time: it saved nothing up, and waits for nobody's backlog. So a flow with one short item is next at once, and
 * none starves, because every turn of another flow raises that one's tag.
 */
export class FairQueue<T extends QueueItem> {
  #flows = new Map<string, Flow<T>>();
  #virtualTime = 0;

  add(item: T): void {
    let flow = this.#flows.get(item.flow);
    if (!flow) {
      flow = { items: [], tag: this.#virtualTime };
      this.#flows.set(item.flow, flow);
    } else if (flow.items.length === 0) {
      flow.tag = Math.max(flow.tag, this.#virtualTime);
    }
    // What comes back after a crash goes to its old place.
    const behind = flow.items.findLastIndex((other) => other.order < item.order);
    flow.items.splice(behind + 1, 0, item);
  }

  /** The item whose turn it is among the first of each flow, or undefined; it stays in the queue. */
  peek(mayStart: (item: T) => boolean = () => true): T | undefined {
    let best: { item: T; tag: number } | undefined;
    for (const { items, tag } of this.#flows.values()) {
      const item = items[0];
      if (!item || !mayStart(item)) continue;
      if (!best || tag < best.tag || (tag === best.tag && goesBefore(item, best.item))) best = { item, tag };
    }
    return best?.item;
  }

  /** Takes an item that stood first in its flow, and charges the flow for it. */
  take(item: T): void {
    const flow = this.#flows.get(item.flow);
    if (flow?.items[0] !== item) return;
    flow.items.shift();
    this.#virtualTime = Math.max(this.#virtualTime, flow.tag);
    flow.tag += item.costSeconds / item.weight;
    this.#forgetSettledFlows();
  }

  /** Corrects what a flow was charged, once the true cost is known. */
  charge(flow: string, weight: number, seconds: Seconds): void {
    const charged = this.#flows.get(flow);
    if (charged) charged.tag = Math.max(this.#virtualTime, charged.tag + seconds / weight);
  }

  /**
   * Nothing that was taken is being served any more. Where nothing waits either, a busy period is over: virtual time goes
   * on to the last finish tag (section 2 of the paper), so that nobody comes back to a debt to flows that were not there.
   */
  rest(): void {
    const flows = [...this.#flows.values()];
    if (flows.some(({ items }) => items.length > 0)) return;
    this.#virtualTime = Math.max(this.#virtualTime, ...flows.map(({ tag }) => tag));
    this.#flows.clear();
  }

  /** Removes an item wherever it stands. */
  remove(item: T): void {
    const flow = this.#flows.get(item.flow);
    const index = flow?.items.indexOf(item) ?? -1;
    if (index >= 0) flow?.items.splice(index, 1);
    this.#forgetSettledFlows();
  }

  /** The first of each flow, those that could be next. */
  heads(): T[] {
    return [...this.#flows.values()].flatMap(({ items }) => items.slice(0, 1));
  }

  /** Everything that waits, in the order in which it would leave if nothing else came. */
  inOrder(): T[] {
    const copy = new FairQueue<T>();
    copy.#virtualTime = this.#virtualTime;
    copy.#flows = new Map([...this.#flows].map(([name, { items, tag }]) => [name, { items: [...items], tag }]));
    const order: T[] = [];
    for (let next = copy.peek(); next; next = copy.peek()) {
      copy.take(next);
      order.push(next);
    }
    return order;
  }

  /** An empty flow that virtual time has caught up with would begin there anyway. */
  #forgetSettledFlows(): void {
    for (const [name, { items, tag }] of this.#flows) {
      if (items.length === 0 && tag <= this.#virtualTime) this.#flows.delete(name);
    }
  }
}

function goesBefore(item: QueueItem, other: QueueItem): boolean {
  return item.weight === other.weight ? item.order < other.order : item.weight > other.weight;
}
