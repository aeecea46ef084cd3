// This file also runs in the browser, in the pages of the catalog.

/**
 * The maximum bytes of a message that is not logged, of one that is, and of a key (Oracle VM Concepts Guide,
 * "Virtual Machine Messaging").
 */
export const mostBytes = { unlogged: 8192, logged: 1024, key: 256 } as const;

export function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}
