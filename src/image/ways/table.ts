import type { WayIn } from "../../choices.ts";
import type { Host } from "../../host/host.ts";
import type { ImageAccess } from "../access.ts";
import type { FarFolder } from "../remote-image.ts";
import { debugfsAccess } from "./debugfs.ts";
import { directAccess } from "./direct.ts";
import { guestfishAccess } from "./guestfish.ts";
import { kpartxAccess } from "./kpartx.ts";
import { loopAccess } from "./loop.ts";
import { umlAccess } from "./uml.ts";

/** The context of an access method. */
export interface WayOptions {
  /** The image's real location, if it is mounted from another machine. */
  readonly far?: FarFolder;
  /** Called with notes that are not failures, such as a replayed journal. */
  readonly note?: (text: string) => void;
}

/** The access methods, the least demanding first. */
export const accesses = {
  direct: (_host: Host, { note }: WayOptions = {}) => directAccess(note),
  debugfs: (host: Host, { note }: WayOptions = {}) => debugfsAccess(host, note),
  loop: (host: Host) => loopAccess(host),
  kpartx: (host: Host, { far }: WayOptions = {}) => kpartxAccess(far?.host ?? host, far?.pathOn),
  uml: (host: Host) => umlAccess(host),
  guestfish: (host: Host) => guestfishAccess(host),
} as const satisfies Record<WayIn, (host: Host, options?: WayOptions) => ImageAccess>;
