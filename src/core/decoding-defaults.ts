/** Hypotheses that a beam search follows where nobody says; what a beam costs and gives is measured in bench/. */
export const DEFAULT_BEAM_SIZE = 5;
