/** How long a server may keep us waiting. */
export interface Limits {
  /** Milliseconds without a single byte that end one attempt. */
  readonly silenceMs: number;
  /** Milliseconds without progress, all attempts and waits together, that end the whole. */
  readonly patienceMs: number;
  /** Fewer than `slowBytes` in `slowMs` milliseconds of waiting are as bad as none. */
  readonly slowMs: number;
  readonly slowBytes: number;
}

export const usualLimits: Limits = {
  silenceMs: 45_000,
  patienceMs: 100_000,
  slowMs: 60_000,
  slowBytes: 32 * 1024,
};

/** Thrown where a server says nothing, or so little that it would never end. */
export class Stalled extends Error {
  override readonly name = "Stalled";
  readonly code = "TBUILD_STALLED";
}

/**
 * Watches one exchange with a server, over all its attempts. Only the time counts in which we wait for the server, not
 * the time in which we do something with what it gave.
 */
export class Watch {
  readonly #limits: Limits;
  readonly #tell: ((seconds: number) => void) | undefined;
  #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  /** When the present wait began. */
  #since: number | undefined;
  /** What was waited in the present window, and what came in it. */
  #waited = 0;
  #bytes = 0;
  /** What was waited since the last byte. */
  #idle = 0;
  #told = 0;

  constructor(limits: Limits, tell?: (seconds: number) => void) {
    this.#limits = limits;
    this.#tell = tell;
  }

  /** Begins an attempt; its signal is raised with a `Stalled` when it takes too long. */
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

  /** From now on we wait for the server. */
  wait(): void {
    this.#since ??= performance.now();
  }

  /** From now on we are busy with ourselves. */
  pause(): void {
    this.#count();
    this.#since = undefined;
  }

  /** So many bytes came or went. */
  moved(bytes: number): void {
    this.#count();
    this.#bytes += bytes;
    this.#idle = 0;
    this.#told = 0;
    if (this.#bytes >= this.#limits.slowBytes) [this.#bytes, this.#waited] = [0, 0];
  }

  /** Milliseconds of patience that are left; waiting for another attempt takes of them too. */
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
      this.#controller.abort(new Stalled(`nothing came for ${secondsOf(this.#idle)} s`));
    else if (this.#waited >= slowMs)
      this.#controller.abort(new Stalled(`only ${this.#bytes} bytes came in ${secondsOf(this.#waited)} s`));
  }
}

function secondsOf(ms: number): string {
  return ms < 1000 ? (ms / 1000).toFixed(1) : String(Math.round(ms / 1000));
}
