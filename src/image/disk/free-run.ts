/** Adjacent free blocks, in bytes of their volume. */
export interface FreeRun {
  readonly offset: number;
  readonly bytes: number;
  readonly blockBytes: number;
}
