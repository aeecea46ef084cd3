import { z } from "zod";
import { bundleFormats, cloneDetectors, domainTypes, firmwares, guestModes, releases } from "../choices.ts";
import { fromForm, fromWords } from "./from.ts";

/** Text with a pattern, and the pattern in words: for errors, editors, and docs/recipe.md. */
function text(form: RegExp, words: string) {
  return z.string().regex(form, words).meta({ title: words });
}

const mibIn: Readonly<Record<string, number>> = { M: 1, G: 1024, T: 1024 * 1024 };

/** Mebibytes are written as `500M`, gibibytes as `12G`, tebibytes as `2T`; kept as MiB. */
export const SizeMib = text(/^([1-9]\d{0,6}[MG]|[1-9]\d{0,3}T)$/, "a size such as 500M, 12G or 2T").transform(
  (text) => Number(text.slice(0, -1)) * (mibIn[text.slice(-1)] ?? 1),
);

// A value for a kickstart line or a configuration file never contains characters that end the line or the
// word.
const Service = text(
  /^\w[\w.+:@/-]*$/,
  "a service: letters, digits and . _ + - : @ /, a letter or digit first",
);
const Lang = text(/^[A-Za-z][\w.@-]*$/, "a locale such as en_US.UTF-8");
const Keyboard = text(/^[A-Za-z][\w.-]*$/, "a keyboard map such as us");
const Timezone = text(/^[A-Za-z][\w+-]*(\/[A-Za-z][\w+-]*){0,2}$/, "a time zone such as Europe/Zurich");
const PackageName = text(/^\w[\w.+*-]*$/, "a package name");
const GroupOrPackage = text(/^(\w[\w.+*-]*|@\^?\w([\w.+:/ ()',&-]*[\w)])?)$/, "a package name, or @group");
const AccountName = text(/^[a-z_][a-z0-9_-]{0,31}$/, "a user or group name");
const GuestPath = text(/^\/[\w.+@/-]+$/, "an absolute path in the guest").refine(
  (path) => !path.split("/").includes(".."),
  "must not contain ..",
);
const Mode = text(/^0?[0-7]{3,4}$/, 'a mode such as "0775", in quotes');
const Line = text(/^[^\p{Cc}\p{Co}\u2028\u2029]*$/u, "one line without control characters");
const Url = text(
  /^((https?|ftp):\/\/|file:\/\/\/)[^\s\p{C}"'`\\<>{}|^]+$/u,
  "an http, https, ftp or file URL",
);
const RepositoryUrl = text(
  /^((https?|ftp):\/\/|file:\/\/\/|medium:\/(?!.*\.\.))[^\s\p{C}"'`\\<>{}|^]+$/u,
  "an http, https, ftp or file URL, or medium:/folder",
);
const ProxyUrl = text(
  /^https?:\/\/[\w.-]+(:\d+)?\/?$/,
  "a proxy such as http://proxy:3128, without a password",
);
const MountOptions = text(/^[\w.,=:/%+][\w.,=:/%+-]*$/, "mount options such as nodev,nosuid");
const HostName = text(/^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$/, "a host name or address");

export const Release = z.enum(releases);
export const DomainType = z.enum(domainTypes);
export const BundleFormat = z.enum(bundleFormats);

/** A recipe never contains a secret, only its source. */
export const SecretReference = z.union(
  [
    z.strictObject({ env: text(/^[A-Za-z_]\w*$/, "the name of an environment variable") }),
    z.strictObject({ file: z.string().min(1) }),
  ],
  "a recipe contains a secret only by reference: { env: NAME } or { file: PATH }",
);
export type SecretReference = z.infer<typeof SecretReference>;

const Iso = z.strictObject({
  file: text(/^[\w.-]+\.iso$/, "the name of an .iso file")
    .optional()
    .describe("The file name. The default is Oracle's name, known for every update of every release."),
  volumeId: Line.min(1)
    .max(32)
    .optional()
    .describe(
      "The ISO 9660 volume ID. Known for OL6.0 to OL9.3; derived from the pattern for later releases; not known for OL5.",
    ),
  bytes: z.int().min(1).optional().describe("The size of the volume. Known for OL6.0 to OL9.3."),
  sha256: text(/^[0-9a-f]{64}$/, "64 hex digits")
    .optional()
    .describe(
      "The digest from Oracle's checksum file. Without a digest, tbuild does not install from the disc.",
    ),
});

const Partition = z.strictObject({
  mount: z
    .union(
      [z.literal("swap"), text(/^\/([\w-][\w.-]*(\/[\w-][\w.-]*)*)?$/, "a mount point")],
      "a mount point, or swap",
    )
    .describe("The mount point, or `swap`."),
  fs: z
    .enum(["ext3", "ext4", "xfs", "btrfs", "swap"])
    .describe("OL5: ext3. OL6: ext3, ext4. OL7: also xfs, btrfs. OL8, OL9: ext3, ext4, xfs."),
  size: SizeMib.describe("The minimum size."),
  grow: z.boolean().default(false).describe("Use the remaining space on the disk."),
  options: MountOptions.optional().describe(
    "Mount options, as in fstab. The default depends on the release.",
  ),
  volume: text(/^[A-Za-z]\w{0,30}$/, "a name of a logical volume: letters, digits and _")
    .optional()
    .describe("The name of a logical volume to create in the group `volumeGroup`."),
});

const Disk = z
  .strictObject({
    size: SizeMib.describe("Its size."),
    fs: z
      .enum(["ext3", "ext4"])
      .optional()
      .describe("OL5: ext3. Without a file system the disk is blank, as ASM requires."),
    mount: text(/^(\/[\w-][\w.-]*)+$/, "a mount point")
      .optional()
      .describe("The mount point in the guest. Files that the recipe writes there go to this disk."),
    options: MountOptions.optional().describe("Mount options, as in fstab."),
  })
  .refine(
    (disk) => (disk.fs === undefined) === (disk.mount === undefined),
    "needs both fs and mount, or neither",
  );

const Repository = z.strictObject({
  id: text(/^\w[\w.-]*$/, "a repository id").describe(
    "The yum repository ID. Use Oracle's ID if there is one.",
  ),
  name: Line.describe("The name that yum shows."),
  url: RepositoryUrl.describe(
    "The address of the folder that contains repodata. `file:` is a path in the guest. `medium:/addons` is a folder on the installation medium, for `provision: post`.",
  ),
  gpgKey: Url.optional().describe("Without a key, signatures are not checked."),
  enabled: z.boolean().default(false).describe("Whether yum uses it, during the build and in the template."),
  proxy: ProxyUrl.optional().describe(
    "A proxy for this repository, also in the guest. For a proxy during builds only, use the site file.",
  ),
});

const File = z
  .strictObject({
    path: GuestPath,
    content: z.string().optional(),
    from: z.string().optional().describe("A file beside the recipe."),
    owner: AccountName.default("root"),
    group: AccountName.default("root"),
    mode: Mode.default("0644"),
  })
  .refine(
    (file) => (file.content === undefined) !== (file.from === undefined),
    "needs either content or from",
  );

const Script = z
  .strictObject({
    name: text(/^[\w-]+$/, "a name of letters, digits, - and _"),
    run: z.string().optional().describe("The script, which runs as root with `bash -euo pipefail`."),
    from: z.string().optional().describe("A file beside the recipe."),
  })
  .refine((script) => (script.run === undefined) !== (script.from === undefined), "needs either run or from");

/** Describes a golden template, from the disc to the bundle, independent of the machine that builds it. */
export const Recipe = z.strictObject({
  name: text(/^[a-z][a-z0-9-]{0,39}$/, "lower-case letters, digits and -").describe("The template's name."),
  version: text(/^\d{1,9}\.\d{1,9}\.\d{1,9}$/, "three numbers, such as 1.0.0").describe(
    "The requested version. If it exists already, the next free patch number is used.",
  ),
  summary: Line.describe("A one-line description for lists and bundles."),
  release: Release.describe("The release of Oracle Linux."),
  update: z.int().min(0).max(20).describe("The update: 10 for OL6.10."),
  from: text(fromForm, fromWords)
    .optional()
    .describe(
      "Start from this template instead of an installation. The layout of its disk is kept. Settings for the installer (layout, language, `packages.base`, kickstart) have no effect. A file's path starts at the recipe's folder. A rehearsal starts from the template's rehearsal.",
    ),
  iso: Iso.prefault({}).describe("The disc. Defaults follow from release and update; set only what differs."),
  kickstart: text(/^[\w-]+$/, "a name of letters, digits, - and _")
    .optional()
    .describe("A template in `kickstart/`, without `.ks.hbs`. The default is the template for the release."),
  machine: z
    .strictObject({
      vcpus: z.int().min(1).max(128).default(1),
      memory: SizeMib.prefault("1G"),
      disk: SizeMib.prefault("12G").describe(
        "The system disk. The installer uses the only disk it sees, so it needs no name. OL5 and OL6 start from an MBR, so it has at most 2 TiB. Later releases make a GPT from 2 TiB on.",
      ),
      firmware: z
        .enum(firmwares)
        .default("bios")
        .describe(
          "The firmware of the machine. `uefi` is for OL7 and later, and makes an EFI system partition. It is for KVM and Xen, because Oracle VM has BIOS guests only, and for the bundles `qcow2` and `raw`.",
        ),
    })
    .prefault({})
    .describe("The virtual machine, both for the build and in the bundles."),
  layout: z.array(Partition).min(1).describe("Partitions and logical volumes of the system disk."),
  volumeGroup: text(/^[A-Za-z]\w{0,30}$/, "letters, digits and _")
    .default("system")
    .describe("The volume group for partitions with a `volume`."),
  disks: z
    .array(Disk)
    .max(6)
    .default([])
    .describe(
      "Additional disks, in order: xvdb, xvdc … They are part of the bundles; the installer does not see them.",
    ),
  nics: z
    .array(z.enum(["public", "interconnect", "storage"]))
    .min(1)
    .max(8)
    .default(["public"])
    .describe(
      "The network of each vNIC, in order: eth0, eth1 … Only eth0 is up during the build; the first boot configures all.",
    ),
  lang: Lang.default("en_US.UTF-8"),
  keyboard: Keyboard.default("us"),
  timezone: Timezone.default("UTC"),
  ntp: z.array(HostName).max(8).default([]).describe("Time servers. The default is the release's own."),
  selinux: z.enum(["enforcing", "permissive", "disabled"]).default("permissive"),
  firewall: z.boolean().default(true).describe("If enabled, only ssh and `ports` are open."),
  ports: z
    .array(text(/^\d{1,5}(-\d{1,5})?:(tcp|udp)$/, "a port such as 1521:tcp, or several as 7000-7010:tcp"))
    .default([])
    .describe("Open ports in addition to ssh."),
  kernel: z
    .enum(["uek", "uekr2", "uekr3", "uekr4", "uekr5", "uekr6", "uekr7", "uekr8", "rhck"])
    .default("uek")
    .describe(
      "Which kernel boots: the disc's Unbreakable Enterprise Kernel, a release of it from the repository `olN_UEKRn`, or Red Hat's. Oracle's additions need UEK.",
    ),
  kernelArguments: z
    .array(text(/^[\w.,=:/@%+-]+$/, "a kernel argument without blanks or quotes"))
    .default([])
    .describe("Kernel arguments, in addition to the consoles that tbuild sets."),
  repositories: z
    .array(Repository)
    .default([])
    .describe(
      "The repositories to configure in the guest. A build uses the enabled ones and the one for the additions.",
    ),
  additions: z
    .strictObject({
      repository: z.string().describe("The ID of the repository that contains them."),
      packages: z.array(PackageName).min(1),
    })
    .optional()
    .describe("Oracle's guest additions. Required unless `firstBoot.detect` is `mac`, which needs none."),
  firstBoot: z
    .strictObject({
      detect: z
        .enum(cloneDetectors)
        .default("flag")
        .describe(
          "How a clone notices that it has to configure itself. `flag`: the guest additions see INITIAL_CONFIG at the next boot, which the seal sets. `mac`: a service of tbuild sees that the cards have none of the recorded MAC addresses. It needs no guest additions: `additions` are not installed, and their services are not enabled.",
        ),
    })
    .prefault({})
    .describe("The first boot of a clone."),
  packages: z
    .strictObject({
      base: z
        .array(GroupOrPackage)
        .default([])
        .describe("Installed by the installer from the medium, in addition to @core."),
      exclude: z.array(PackageName).default([]).describe("Not installed by the installer."),
      install: z.array(GroupOrPackage).default([]).describe("Installed by yum from the repositories."),
      remove: z.array(PackageName).default([]).describe("Removed at the end."),
    })
    .prefault({}),
  provision: z
    .enum(["ssh", "post"])
    .default("ssh")
    .describe(
      "When to set up additions, packages, accounts, files, scripts and services: `ssh` in the booted guest, or `post` in the installer's %post.",
    ),
  groups: z.array(z.strictObject({ name: AccountName, gid: z.int().min(1).max(65533) })).default([]),
  users: z
    .array(
      z.strictObject({
        name: AccountName,
        uid: z.int().min(1).max(65533),
        group: AccountName,
        groups: z.array(AccountName).default([]),
        home: GuestPath.optional(),
        password: SecretReference.optional().describe(
          "The source of the password. Without one, password login is disabled.",
        ),
      }),
    )
    .default([]),
  folders: z
    .array(
      z.strictObject({
        path: GuestPath,
        owner: AccountName.default("root"),
        group: AccountName.default("root"),
        mode: Mode.default("0755"),
      }),
    )
    .default([]),
  files: z.array(File).default([]),
  scripts: z.array(Script).default([]),
  services: z
    .strictObject({ enable: z.array(Service).default([]), disable: z.array(Service).default([]) })
    .prefault({}),
  modules: z
    .array(text(/^[\w-]+$/, "a name of letters, digits, - and _"))
    .default([])
    .describe("First-boot modules: folders in `recipes/modules/`."),
  target: text(/^(ovm(-3\.\d(\.\d{1,2})?)?|xen|kvm)$/, "a target such as ovm-3.4.6, xen or kvm")
    .optional()
    .describe("The target platform. Oracle VM 3.4.6 and later have no PVM; KVM never has."),
  domainType: DomainType.describe(
    "XEN_PVM only for OL5 and OL6, on Oracle VM before 3.4.6; otherwise XEN_HVM_PV_DRIVERS.",
  ),
  allowUnfit: z
    .boolean()
    .default(false)
    .describe("Build the template even if its image is known not to boot as its domain type."),
  seal: z
    .strictObject({
      how: z.enum(["offline", "online"]).default("offline"),
      skip: z.array(z.string()).default([]).describe("Seal operations to skip."),
      keep: z
        .array(GuestPath)
        .default([])
        .describe(
          "Guest paths that no operation changes or reports. Files from `files` are always kept, except in root's `.ssh`.",
        ),
    })
    .prefault({}),
  bundles: z.array(BundleFormat).min(1).default(["ovm-tgz", "ova", "qcow2"]),
  convert: z
    .array(z.strictObject({ to: z.enum(guestModes), bundles: z.array(BundleFormat).min(1) }))
    .default([])
    .describe(
      "More templates from the same master, each converted for another target and named `<name>-<to>`.",
    ),
  trial: z
    .strictObject({
      clones: z.int().min(0).max(4).default(2),
      messages: z
        .record(z.string(), z.string())
        .default({})
        .describe(
          "First-boot parameters for the modules, sent in addition to host name, network and root password.",
        ),
      checks: z
        .array(z.array(z.string()).min(1))
        .default([])
        .describe("Commands that must succeed in every configured clone."),
    })
    .prefault({})
    .describe("The boot trial: disposable clones that configure themselves."),
});
export type Recipe = z.infer<typeof Recipe>;

/** `6` of `ol6`. */
export function majorOf(release: Recipe["release"]): number {
  return Number(release.slice(2));
}

/** The guest additions to install; a clone that is noticed by its MAC address needs none. */
export function installedAdditions({
  additions,
  firstBoot,
}: {
  readonly additions?: Recipe["additions"];
  readonly firstBoot?: Recipe["firstBoot"] | undefined;
}): Recipe["additions"] {
  return firstBoot?.detect === "mac" ? undefined : additions;
}

/** The services that the guest additions bring. */
export const additionServices = ["ovmd", "ovm-template-initial-config"];

/** What a build does of a recipe. Additions that it does not install are left out, with the services that they bring. */
export function effective({ additions, ...recipe }: Recipe): Recipe {
  if (recipe.firstBoot.detect !== "mac") return additions === undefined ? recipe : { ...recipe, additions };
  const enable = recipe.services.enable.filter(
    (name) => !additionServices.includes(name.replace(/\.service$/, "")),
  );
  return { ...recipe, services: { ...recipe.services, enable } };
}

/**
 * The options for the seal. Files from the recipe belong to the template, so they are kept. Root's keys are
 * an exception, because the build adds its own.
 */
export function sealing({
  seal,
  files,
  firstBoot,
}: Pick<Recipe, "seal" | "files" | "firstBoot">): Recipe["seal"] & Recipe["firstBoot"] {
  const own = files.map(({ path }) => path).filter((path) => !path.startsWith("/root/.ssh/"));
  return { ...seal, ...firstBoot, keep: [...new Set([...seal.keep, ...own])] };
}

/** Paths that a recipe fills although a seal changes them: the file with its users' passwords. */
export function meantToStay({ users }: Pick<Recipe, "users">): string[] {
  return users.some(({ password }) => password !== undefined) ? ["/etc/shadow"] : [];
}
