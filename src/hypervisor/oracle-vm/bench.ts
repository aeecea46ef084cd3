import { join } from "node:path";
import type { ImageBench } from "../hypervisor.ts";
import type { OracleVmSite } from "./site.ts";

/** Images on the first server, each in a folder of its own in the repository. */
export function benchOn({ servers, there, scratchOf, filesIn, options }: OracleVmSite): ImageBench {
  const placeOf = async (name: string) => {
    const { repository } = await there();
    const scratch = scratchOf(repository);
    const folder = join(scratch, "bench", name);
    return { scratch, folder, file: join(folder, "System.img"), files: filesIn(repository) };
  };
  return {
    name: servers.firstAddress,
    async put(name, image) {
      const { file, files } = await placeOf(name);
      await files.make({ slot: 0, mode: "write", content: { copyOf: image } }, file);
      const { sshConfig: config } = options;
      return { address: servers.firstAddress, path: file, ...(config !== undefined && { config }) };
    },
    async take(name, image) {
      const { file, files } = await placeOf(name);
      await files.fetch({ slot: 0, mode: "write", file, isOwn: true }, image);
    },
    async remove(name) {
      const { scratch, folder } = await placeOf(name);
      await servers.first.run(["sh", "-c", removeScript, folder, scratch]);
    },
  };
}

const removeScript = `
rm -rf -- "$0" || exit
rmdir -- "$1/bench" "$1" 2>/dev/null
true`;
