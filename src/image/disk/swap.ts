/** Offsets in union swap_header (Linux, include/linux/swap.h); numbers are in the byte order of the machine that made it. */
const at = {
  version: 1024,
  lastPage: 1028,
  badPages: 1032,
  uuid: 1036,
  label: 1052,
  padding: 1068,
  bad: 1536,
};
const magicBytes = 10;
const bootSectorBytes = 512;

/** The header that mkswap(8) writes, as in an empty swap area. */
export interface SwapArea {
  /** In bytes; a power of two from 4096 to 65536. */
  readonly pageBytes: number;
  readonly uuid?: string;
  readonly label?: string;
  /** It contains the memory of a machine that was suspended to disk. */
  readonly isHibernated?: true;
  /** Its first page when new, as mkswap wrote it. */
  readonly fresh: Uint8Array;
}

/**
 * Reads the first 64 KiB of a volume as a swap area. In that of a suspended machine, the replaced signature
 * is before the other (struct swsusp_header in kernel/power/swap.c).
 */
export function swapAreaIn(head: Buffer): SwapArea | undefined {
  for (const pageBytes of [4096, 8192, 16384, 32768, 65536]) {
    if (head.length < pageBytes) return undefined;
    const signature = head.toString("latin1", pageBytes - magicBytes, pageBytes);
    const isHibernated = suspended.includes(signature);
    const original = isHibernated
      ? head.toString("latin1", pageBytes - 2 * magicBytes, pageBytes - magicBytes)
      : signature;
    if (original !== "SWAPSPACE2" && original !== "SWAP-SPACE") continue;
    if (original === "SWAPSPACE2" && !hasHeader(head)) continue;
    const identity = original === "SWAPSPACE2" ? identityOf(head) : {};
    return {
      pageBytes,
      ...identity,
      ...(isHibernated && { isHibernated }),
      fresh: freshPage(head.subarray(0, pageBytes), original),
    };
  }
  return undefined;
}

// The kernel's (two of them), the one of kernels 2.6.37 to 3.0, and that of uswsusp.
const suspended = ["S1SUSPEND\0", "S2SUSPEND\0", "LINHIB0001", "ULSUSPEND\0"];

// What swapon(2) requires: version 1, in either byte order, and a last page.
function hasHeader(head: Buffer): boolean {
  const isVersion = head.readUInt32LE(at.version) === 1 || head.readUInt32BE(at.version) === 1;
  return isVersion && head.readUInt32LE(at.lastPage) !== 0;
}

function identityOf(head: Buffer): Pick<SwapArea, "uuid" | "label"> {
  const uuid = head
    .toString("hex", at.uuid, at.label)
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  const label = head.toString("utf8", at.label, at.padding).replace(/\0.*$/s, "").trimEnd();
  return { uuid, ...(label !== "" && { label }) };
}

function freshPage(page: Buffer, signature: string): Uint8Array {
  // Version 1 has a bitmap of pages up to the signature.
  const fresh = signature === "SWAP-SPACE" ? Buffer.from(page) : Buffer.alloc(page.length);
  if (signature === "SWAPSPACE2") {
    // There may be a boot sector before the header, which mkswap also keeps.
    if (page.readUInt16BE(bootSectorBytes - 2) === 0x55aa) page.copy(fresh, 0, 0, bootSectorBytes);
    page.copy(fresh, at.version, at.version, at.padding);
    const bad =
      page.readUInt32LE(at.version) === 1 ? page.readUInt32LE(at.badPages) : page.readUInt32BE(at.badPages);
    // The list of bad pages ends at the signature at the latest.
    if (bad <= (page.length - at.bad - magicBytes) / 4) page.copy(fresh, at.bad, at.bad, at.bad + bad * 4);
  }
  fresh.fill(0, page.length - 2 * magicBytes, page.length - magicBytes);
  fresh.write(signature, page.length - magicBytes, "latin1");
  return fresh;
}
