import { z } from "zod";
import { bundleFormats, domainTypes, releases } from "../choices.ts";

/** Text of a form, and the form in words: for errors, for editors, and for docs/recipe.md. */
function text(form: RegExp, words: string) {
  return z.string().regex(form, words).meta({ title: words });
}

const mibIn: Readonly<Record<string, number>> = { M: 1, G: 1024, T: 1024 * 1024 };

/** Mebibytes are written as `500M`, gibibytes as `12G`, tebibytes as `2T`; kept as MiB. */
export const SizeMib = text(/^([1-9]\d{0,6}[MG]|[1-9]\d{0,3}T)$/, "a size such as 500M, 12G or 2T").transform(
  (text) => Number(text.slice(0, -1)) * (mibIn[text.slice(-1)] ?? 1),
);

// What ends up on a kickstart line or in a configuration file never holds what could end that line or word.
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
  "a path without ..",
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
const MountOptions = text(/^[\w.,=:/%+-]+$/, "mount options such as nodev,nosuid");
const HostName = text(/^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$/, "a host name or address");

export const Release = z.enum(releases);
export const DomainType = z.enum(domainTypes);
export const BundleFormat = z.enum(bundleFormats);

/** A secret never stands in a recipe: only where it is found when a build needs it. */
export const SecretReference = z.union(
  [
    z.strictObject({ env: text(/^[A-Za-z_]\w*$/, "the name of an environment variable") }),
    z.strictObject({ file: z.string().min(1) }),
  ],
  "a secret stands in a recipe only by reference: { env: NAME } or { file: PATH }",
);
export type SecretReference = z.infer<typeof SecretReference>;

const Iso = z.strictObject({
  file: text(/^[\w.-]+\.iso$/, "the name of an .iso file")
    .optional()
    .describe("As Oracle names it, or as you did. Known for every update of every release."),
  volumeId: Line.min(1)
    .max(32)
    .optional()
    .describe(
      "The ISO 9660 volume id. Known for OL6.0 to OL9.3, and by its pattern after that; of OL5 nobody has it on record.",
    ),
  bytes: z.int().min(1).optional().describe("The size of the volume. Known for OL6.0 to OL9.3."),
  sha256: text(/^[0-9a-f]{64}$/, "64 hex digits")
    .optional()
    .describe("From Oracle's checksum file. A disc whose digest is not known is not installed from."),
});

const Partition = z.strictObject({
  mount: z
    .union(
      [z.literal("swap"), text(/^\/([\w-][\w.-]*(\/[\w-][\w.-]*)*)?$/, "a mount point")],
      "a mount point, or swap",
    )
    .describe("Where it is mounted, or `swap`."),
  fs: z
    .enum(["ext3", "ext4", "xfs", "btrfs", "swap"])
    .describe("OL5: ext3. OL6: ext3, ext4. OL7: also xfs, btrfs. OL8, OL9: ext3, ext4, xfs."),
  size: SizeMib.describe("At least this much."),
  grow: z.boolean().default(false).describe("Takes what is left of the disk."),
  options: MountOptions.optional().describe("Mount options, as in fstab. None gives the release's own."),
  volume: text(/^[A-Za-z]\w{0,30}$/, "a name of a logical volume: letters, digits and _")
    .optional()
    .describe("Makes it a logical volume of this name, in the group `volumeGroup`."),
});

const Disk = z
  .strictObject({
    size: SizeMib.describe("Its size."),
    fs: z.enum(["ext3", "ext4"]).optional().describe("OL5: ext3. Without one it is blank, as ASM wants it."),
    mount: text(/^(\/[\w-][\w.-]*)+$/, "a mount point")
      .optional()
      .describe("Where the guest mounts it; what the recipe writes there is on it."),
    options: MountOptions.optional().describe("Mount options, as in fstab."),
  })
  .refine((disk) => (disk.fs === undefined) === (disk.mount === undefined), "fs and mount go together");

const Repository = z.strictObject({
  id: text(/^\w[\w.-]*$/, "a repository id").describe("Its id in yum; Oracle's own where there is one."),
  name: Line.describe("As yum shows it."),
  url: RepositoryUrl.describe(
    "Where its repodata lies. `file:` is seen from the guest; `medium:/addons` is a folder of the installation medium, for `provision: post`.",
  ),
  gpgKey: Url.optional().describe("Without one, signatures are not checked."),
  enabled: z.boolean().default(false).describe("Whether yum uses it, while building and in the template."),
  proxy: ProxyUrl.optional().describe(
    "A proxy for this repository, in the guest as well; one for building only is the site's.",
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
  .refine((file) => (file.content === undefined) !== (file.from === undefined), "either content or from");

const Script = z
  .strictObject({
    name: text(/^[\w-]+$/, "a name of letters, digits, - and _"),
    run: z.string().optional().describe("Run by `bash -euo pipefail`, as root."),
    from: z.string().optional().describe("A file beside the recipe."),
  })
  .refine((script) => (script.run === undefined) !== (script.from === undefined), "either run or from");

/** What we want: a golden template, from the disc to the bundle. Knows nothing of where it is made. */
export const Recipe = z.strictObject({
  name: text(/^[a-z][a-z0-9-]{0,39}$/, "lower-case letters, digits and -").describe("The template's name."),
  version: text(/^\d{1,9}\.\d{1,9}\.\d{1,9}$/, "three numbers, such as 1.0.0").describe(
    "The version that is asked for; one that is taken becomes the next patch.",
  ),
  summary: Line.describe("One line for lists and bundles."),
  release: Release.describe("The release of Oracle Linux."),
  update: z.int().min(0).max(20).describe("The update: 10 of OL6.10."),
  iso: Iso.prefault({}).describe("The disc. Follows from release and update; say here only what differs."),
  kickstart: text(/^[\w-]+$/, "a name of letters, digits, - and _")
    .optional()
    .describe("A template in `kickstart/`, without `.ks.hbs`. The release's own unless said."),
  machine: z
    .strictObject({
      vcpus: z.int().min(1).max(128).default(1),
      memory: SizeMib.prefault("1G"),
      disk: SizeMib.prefault("12G").describe(
        "The system disk. Its name is never said: the installer takes the one there is.",
      ),
    })
    .prefault({})
    .describe("The machine as it is built and as the bundles declare it."),
  layout: z.array(Partition).min(1).describe("Partitions and logical volumes of the system disk."),
  volumeGroup: text(/^[A-Za-z]\w{0,30}$/, "letters, digits and _")
    .default("system")
    .describe("The volume group of what has a `volume`."),
  disks: z
    .array(Disk)
    .max(6)
    .default([])
    .describe(
      "Further disks, in order: xvdb, xvdc … They are in the bundles; the installer does not see them.",
    ),
  nics: z
    .array(z.enum(["public", "interconnect", "storage"]))
    .min(1)
    .max(8)
    .default(["public"])
    .describe(
      "The network of each vnic, in order: eth0, eth1 … Only eth0 is up while building; the first boot sets them.",
    ),
  lang: Lang.default("en_US.UTF-8"),
  keyboard: Keyboard.default("us"),
  timezone: Timezone.default("UTC"),
  ntp: z.array(HostName).max(8).default([]).describe("Time servers. None leaves the release's own."),
  selinux: z.enum(["enforcing", "permissive", "disabled"]).default("permissive"),
  firewall: z.boolean().default(true).describe("On lets ssh and `ports` in."),
  ports: z
    .array(text(/^\d{1,5}(-\d{1,5})?:(tcp|udp)$/, "a port such as 1521:tcp, or several as 7000-7010:tcp"))
    .default([])
    .describe("What the firewall lets in beside ssh."),
  kernel: z
    .enum(["uek", "uekr2", "uekr3", "uekr4", "uekr5", "uekr6", "uekr7", "uekr8", "rhck"])
    .default("uek")
    .describe(
      "Which kernel boots: the disc's Unbreakable Enterprise Kernel, a release of it from the repository `olN_UEKRn`, or Red Hat's. Oracle's additions need UEK.",
    ),
  kernelArguments: z
    .array(text(/^[\w.,=:/@%+-]+$/, "a kernel argument without blanks or quotes"))
    .default([])
    .describe("Beside the consoles that tbuild sets."),
  repositories: z
    .array(Repository)
    .default([])
    .describe("Written into the guest. A build uses those that are enabled, and that of the additions."),
  additions: z
    .strictObject({
      repository: z.string().describe("The id of the repository that has them."),
      packages: z.array(PackageName).min(1),
    })
    .describe("Oracle's guest additions."),
  packages: z
    .strictObject({
      base: z.array(GroupOrPackage).default([]).describe("By the installer, from the medium, beside @core."),
      exclude: z.array(PackageName).default([]).describe("Not by the installer."),
      install: z.array(GroupOrPackage).default([]).describe("By yum, from the repositories."),
      remove: z.array(PackageName).default([]).describe("Taken out at the end."),
    })
    .prefault({}),
  provision: z
    .enum(["ssh", "post"])
    .default("ssh")
    .describe(
      "Where additions, packages, accounts, files, scripts and services are done: over ssh in the booted guest, or in the installer's %post.",
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
          "Where its password is found; without one nobody logs in with a password.",
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
    .describe("What it is made for. Oracle VM has no PVM from 3.4.6 on, and KVM has none at all."),
  domainType: DomainType.describe(
    "XEN_PVM only for OL5 and OL6, on Oracle VM before 3.4.6; otherwise XEN_HVM_PV_DRIVERS.",
  ),
  seal: z
    .strictObject({
      how: z.enum(["offline", "online"]).default("offline"),
      skip: z.array(z.string()).default([]).describe("Seal operations to leave out."),
      keep: z
        .array(GuestPath)
        .default([])
        .describe(
          "Paths in the guest that no operation changes, and that are not reported as left. What `files` puts there stays anyway, but for root's `.ssh`.",
        ),
    })
    .prefault({}),
  bundles: z.array(BundleFormat).min(1).default(["ovm-tgz", "ova", "qcow2"]),
  trial: z
    .strictObject({
      clones: z.int().min(0).max(4).default(2),
      messages: z
        .record(z.string(), z.string())
        .default({})
        .describe(
          "Sent beside hostname, network and root password: the first-boot parameters of the modules.",
        ),
      checks: z
        .array(z.array(z.string()).min(1))
        .default([])
        .describe("Commands that must succeed in every configured clone."),
    })
    .prefault({})
    .describe("The test: throw-away clones that configure themselves."),
});
export type Recipe = z.infer<typeof Recipe>;

/** `6` of `ol6`. */
export function majorOf(release: Recipe["release"]): number {
  return Number(release.slice(2));
}

/**
 * What the seal is told: a file that the recipe puts into the guest belongs to the template, and is no trace of its
 * build. Only root's keys are not the recipe's alone: the build adds its own to them.
 */
export function sealing({ seal, files }: Pick<Recipe, "seal" | "files">): Recipe["seal"] {
  const own = files.map(({ path }) => path).filter((path) => !path.startsWith("/root/.ssh/"));
  return { ...seal, keep: [...new Set([...seal.keep, ...own])] };
}
