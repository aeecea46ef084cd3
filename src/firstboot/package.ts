import { copyFile, readdir, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { inOnePiece } from "../host/partial-file.ts";
import { temporaryFolder } from "../host/temporary.ts";
import { makeFolders } from "../io/folders.ts";
import { writeFile } from "../io/write-file.ts";
import { afterBootService, sysvService } from "./after-boot.ts";
import type { FirstBootModule, ModuleFile } from "./module.ts";

// The same module gives the same bytes. In seconds; rpm ignores 0.
const builtAt = 1_000_000_000;

/**
 * Builds the RPM of a first-boot module with rpmbuild: noarch, named ovm-template-config-NAME as Oracle's are, its links made
 * by `ovm-chkconfig --add` after the first installation and removed by `--del` before the last removal. gzip and MD5, which
 * rpm of EL5 needs. Returns the file.
 */
export async function buildModuleRpm(
  host: Host,
  module: FirstBootModule,
  version: string,
  out: string,
): Promise<string> {
  const files: Omit<ModuleFile, "from">[] = [
    { path: `/etc/template.d/scripts/${module.name}`, data: module.script, mode: 0o755 },
    ...module.payload,
  ];
  const odd = files.filter(({ path }) => !/^[\w./+@-]+$/.test(path));
  if (odd.length > 0)
    throw new TbuildError("usage", "paths in an RPM's spec file have to be letters, digits and . _ + @ - /", {
      subject: module.name,
      lines: odd.map(({ path }) => path),
    });
  await using temporary = await temporaryFolder("rpm");
  const folder = temporary.path;
  const tree = join(folder, "tree");
  for (const { path, data, mode } of files) {
    await makeFolders(dirname(join(tree, path)));
    await writeFile(join(tree, path), data, { mode });
    await utimes(join(tree, path), builtAt, builtAt);
  }
  const spec = join(folder, "module.spec");
  await writeFile(spec, specOf(module, version, files));
  await host.run(["rpmbuild", "-bb", "--quiet", "--noclean", "--buildroot", tree, ...defines(folder), spec], {
    env: { SOURCE_DATE_EPOCH: String(builtAt) },
  });
  const made = join(folder, "RPMS", "noarch");
  const [name] = await readdir(made);
  if (name === undefined)
    throw new TbuildError("guest", "rpmbuild made no package", { subject: module.name });
  await makeFolders(out);
  const file = join(out, name);
  await inOnePiece(file, (part) => copyFile(join(made, name), part));
  return file;
}

function serviceOff(service: string): string {
  return `if [ "$1" = 0 ] && [ -d /run/systemd/system ]; then systemctl --no-reload disable ${service}.service
elif [ "$1" = 0 ]; then /sbin/chkconfig --del ${service}; fi
`;
}

function defines(folder: string): string[] {
  const macros = {
    _topdir: folder,
    _rpmdir: join(folder, "RPMS"),
    _builddir: folder,
    _binary_payload: "w9.gzdio",
    _binary_filedigest_algorithm: "1",
    _build_id_links: "none",
    __os_install_post: "%{nil}",
    _buildhost: "tbuild",
    use_source_date_epoch_as_buildtime: "1",
    clamp_mtime_to_source_date_epoch: "1",
  };
  return Object.entries(macros).flatMap(([name, value]) => ["--define", `${name} ${value}`]);
}

function specOf(
  { name, description, packages }: FirstBootModule,
  version: string,
  files: readonly Omit<ModuleFile, "from">[],
): string {
  const plain = description.replaceAll(/\s+/g, " ").replaceAll("%", "%%");
  const owned = files.flatMap(({ path, owner }) =>
    owner ? [`chown ${owner.uid}:${owner.gid} ${path}`] : [],
  );
  // The module enables it when it configures a clone.
  const service = files.some(({ path }) => path === sysvService(name)) ? afterBootService(name) : undefined;
  return `Name: ovm-template-config-${name}
Version: ${version}
Release: 1
Summary: ${plain}
License: see the module
Group: System Environment/Base
BuildArch: noarch
AutoReqProv: no
Requires: ovm-template-config
${packages.map((one) => `Requires: ${one}\n`).join("")}
%description
${plain}

%post
${owned.map((line) => `${line}\n`).join("")}if [ "$1" = 1 ]; then /usr/sbin/ovm-chkconfig --add ${name}; fi

%preun
if [ "$1" = 0 ]; then /usr/sbin/ovm-chkconfig --del ${name}; fi
${service === undefined ? "" : serviceOff(service)}
%files
${files.map(({ path, mode }) => `%attr(${mode.toString(8).padStart(4, "0")}, root, root) ${path}`).join("\n")}
`;
}
