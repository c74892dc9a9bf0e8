/** The longest that a timer of the platform can wait, 24 days: for more it fires at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;
