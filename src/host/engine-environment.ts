/**
 * Variables that the engine process starts with, for the allocators below it. What the person's own environment sets
 * wins.
 */
export const ENGINE_ENVIRONMENT: Readonly<Record<string, string>> = {};
