/** Limits on waiting for a server. */
export interface Limits {
  /** An attempt ends after so many milliseconds without a byte. */
  readonly silenceMs: number;
  /** The request ends after so many milliseconds without progress, over all attempts and pauses. */
  readonly patienceMs: number;
  /** Fewer than `slowBytes` bytes in `slowMs` milliseconds of waiting count as a stall. */
  readonly slowMs: number;
  readonly slowBytes: number;
}

export const usualLimits: Limits = {
  silenceMs: 45_000,
  patienceMs: 100_000,
  slowMs: 60_000,
  slowBytes: 32 * 1024,
};

/** Thrown if a server sends nothing, or so little that the transfer would never end. */
export class Stalled extends Error {
  override readonly name = "Stalled";
  readonly code = "TBUILD_STALLED";
}

/**
 * Watches one exchange with a server, over all its attempts. Only time spent waiting for the server counts, not time
 * spent processing its data.
 */
export class Watch {
  readonly #limits: Limits;
  readonly #tell: ((seconds: number) => void) | undefined;
  #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  /** When the current wait began. */
  #since: number | undefined;
  /** The time waited and the bytes received in the current window. */
  #waited = 0;
  #bytes = 0;
  /** The time waited since the last byte. */
  #idle = 0;
  #told = 0;

  constructor(limits: Limits, tell?: (seconds: number) => void) {
    this.#limits = limits;
    this.#tell = tell;
  }

  /** Starts an attempt. Its signal aborts with a `Stalled` if the server takes too long. */
  begin(): AbortSignal {
    this.end();
    this.#controller = new AbortController();
    this.#told = 0;
    this.wait();
    [this.#waited, this.#bytes] = [0, 0];
    const every = Math.max(10, Math.min(1000, this.#limits.silenceMs / 10));
    this.#timer = setInterval(() => this.#look(), every);
    return this.#controller.signal;
  }

  /** Ends an attempt. */
  end(): void {
    this.pause();
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** The server's time starts counting. */
  wait(): void {
    this.#since ??= performance.now();
  }

  /** The server's time stops counting. */
  pause(): void {
    this.#count();
    this.#since = undefined;
  }

  /** Counts bytes sent or received. */
  moved(bytes: number): void {
    this.#count();
    this.#bytes += bytes;
    this.#idle = 0;
    this.#told = 0;
    if (this.#bytes >= this.#limits.slowBytes) [this.#bytes, this.#waited] = [0, 0];
  }

  /** Milliseconds left before the request ends. Pauses between attempts count too. */
  left(): number {
    this.#count();
    return this.#limits.patienceMs - this.#idle;
  }

  #count(): void {
    if (this.#since === undefined) return;
    const now = performance.now();
    this.#waited += now - this.#since;
    this.#idle += now - this.#since;
    this.#since = now;
  }

  #look(): void {
    if (this.#since === undefined) return;
    this.#count();
    const { silenceMs, patienceMs, slowMs } = this.#limits;
    const seconds = Math.floor(this.#idle / 1000);
    if (this.#tell && seconds >= this.#told + 5) {
      this.#told = seconds;
      this.#tell(seconds);
    }
    if (this.#idle >= Math.min(silenceMs, patienceMs))
      this.#controller.abort(new Stalled(`received nothing for ${secondsOf(this.#idle)} s`));
    else if (this.#waited >= slowMs)
      this.#controller.abort(
        new Stalled(`received only ${this.#bytes} bytes in ${secondsOf(this.#waited)} s`),
      );
  }
}

function secondsOf(ms: number): string {
  return ms < 1000 ? (ms / 1000).toFixed(1) : String(Math.round(ms / 1000));
}
