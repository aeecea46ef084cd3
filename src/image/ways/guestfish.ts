import { mkdtemp, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { printable, talkHere } from "../../host/local.ts";
import { waitFor } from "../../host/wait-for.ts";
import type { ImageAccess, Mount, Volume } from "../access.ts";
import { mountedTree } from "./mounted-tree.ts";
import { byDepth, kernelFileSystems } from "./mounting.ts";

/**
 * The last resort: libguestfs starts a machine of its own, ten seconds and more, and shows the guest's files here over
 * FUSE. It opens whatever its kernel can, logical volumes and qcow2 too.
 */
export function guestfishAccess(host: Host): ImageAccess {
  return {
    name: "guestfish",
    findsByTable: true,
    runsPrograms: false,
    joinsPieces: true,
    formats: ["raw", "qcow2"],
    filesystems: kernelFileSystems,
    async check() {
      await host.run(["guestfish", "--version"]);
    },
    async open(image, mounts, { readOnly = false, watch = {} } = {}) {
      const at = await mkdtemp(join(tmpdir(), "tbuild-guestfish-"));
      const said: string[] = [];
      let ended = false;
      const talk = await talkHere(guestfishArgv(image, mounts, at, readOnly), {
        onLine: (line) => void said.push(line),
        // Its own choice, KVM where the device opens, may hang for good; this is slow and comes to an end.
        env: { LIBGUESTFS_BACKEND: "direct", LIBGUESTFS_BACKEND_SETTINGS: "force_tcg" },
      });
      void talk.ended.then(() => {
        ended = true;
      });
      const isMounted = async () =>
        (await host.run(["stat", "-f", "-c", "%T", at], { allow: [1] })).stdout.startsWith("fuse");
      const close = async () => {
        // Also for a mount whose process is gone, where stat fails.
        await host.run(["fusermount3", "-u", at], { allow: [1] });
        // It brings what was changed to the image before it ends.
        await waitFor("guestfish: its end", async () => ended || undefined, { timeoutMs: 120_000 });
        await rmdir(at);
      };
      try {
        await waitFor(
          `${image}: a guest behind guestfish`,
          async () => {
            if (ended)
              throw new TbuildError("environment", "guestfish: cannot open the image", {
                lines: said.slice(-8).map(printable),
              });
            return (await isMounted()) || undefined;
          },
          { timeoutMs: 300_000, ...(watch.signal && { signal: watch.signal }) },
        );
      } catch (error) {
        talk.kill();
        await talk.ended;
        await close();
        throw error;
      }
      return mountedTree(host, at, { close, watch });
    },
  };
}

function guestfishArgv(image: string, mounts: readonly Mount[], at: string, readOnly: boolean): string[] {
  const parts = byDepth(mounts).flatMap(({ at, volume }) => {
    const part = volume.subvolume === undefined ? "" : `:subvol=${volume.subvolume}`;
    return ["-m", `${deviceOf(volume)}:${at}${part}`];
  });
  const how = readOnly ? "--ro" : "--rw";
  return ["guestfish", how, "-a", image, ...parts, "mount-local", at, ":", "mount-local-run"];
}

function deviceOf({ name }: Volume): string {
  if (name === "disk") return "/dev/sda";
  return name.includes("/") ? `/dev/${name}` : `/dev/sda${name.slice(1)}`;
}
