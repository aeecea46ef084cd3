/** The distributions that tbuild supports: Oracle Linux, and others built from the same sources. */
interface Product {
  readonly name: string;
  /** `ID` in os-release(5). */
  readonly ids: readonly string[];
  /** The start of the first line of its release file, before "release N". */
  readonly line: RegExp;
  /** The package that contains the release file. */
  readonly packages: RegExp;
}

const products: readonly Product[] = [
  {
    name: "Oracle Linux",
    ids: ["ol"],
    line: /^(?:Oracle Linux(?: Server)?|Enterprise Linux Enterprise Linux(?: \w+)?)$/,
    packages: /^(?:oraclelinux-release|enterprise-release)$/,
  },
  {
    name: "Red Hat Enterprise Linux",
    ids: ["rhel"],
    line: /^Red Hat Enterprise Linux(?: (?:Server|Workstation|Client|ComputeNode|Desktop|Advanced Platform|for .+))?$/,
    packages: /^redhat-release(?:-(?:server|workstation|client|computenode|eula))?$/,
  },
  {
    name: "CentOS",
    ids: ["centos"],
    line: /^CentOS(?: Linux| Stream)?$/,
    packages: /^centos-(?:linux-|stream-)?release$/,
  },
  {
    name: "Scientific Linux",
    ids: ["scientific", "sl"],
    line: /^Scientific Linux(?: (?:SL|CERN|CERN SLC))?$/,
    packages: /^sl-release$/,
  },
  { name: "Rocky Linux", ids: ["rocky"], line: /^Rocky Linux$/, packages: /^rocky-release$/ },
  {
    name: "AlmaLinux",
    ids: ["almalinux"],
    line: /^AlmaLinux(?: Kitten)?$/,
    packages: /^almalinux-(?:kitten-)?release$/,
  },
];

/** The distribution that one of the guest's files names. */
export interface Claim {
  readonly file: string;
  /** The text there, as one line that is safe to show. */
  readonly text: string;
  /** The supported distribution, if it is one. */
  readonly product?: string;
  readonly major?: number;
  readonly update?: number;
  /** It is made of such a distribution and changed as a whole, as by images: its `VARIANT_ID`. */
  readonly appliance?: string;
}

/** Variants whose files a new image replaces: oVirt Node and Red Hat's host, CoreOS, Atomic Host, IoT and Edge. */
const appliances = /^(?:ovirt-node|rhvh|coreos|atomic(?:\.host)?|iot|edge)\b/;

/** Reads a release file, "Oracle Linux Server release 6.10"; `undefined` if it names none. */
export function claimOfReleaseFile(file: string, content: string): Claim | undefined {
  const text = shown(content.split(/\r?\n/).find((line) => line.trim() !== "") ?? "");
  if (text === "") return undefined;
  const [, name = text, major, update] = /^(.*?),? release (\d+)(?:\.(\d+))?/i.exec(text) ?? [];
  return { file, text, ...claimed((one) => one.line.test(name.trim()), major, update) };
}

/** Reads os-release(5): shell assignments, of which only ID, VERSION_ID and VARIANT_ID are used. */
export function claimOfOsRelease(file: string, content: string): Claim | undefined {
  const values = new Map(
    [
      ...content.matchAll(
        /^[ \t]*([A-Z_]+)=(?:"([^"\n]*)"|'([^'\n]*)'|([^\s'"]*))(?:[ \t]+#.*)?[ \t]*\r?$/gm,
      ),
    ].map(([, key = "", double, single, bare]) => [key, double ?? single ?? bare ?? ""]),
  );
  const id = values.get("ID")?.toLowerCase();
  if (id === undefined || id === "") return undefined;
  const [, major, update] = /^(\d+)(?:\.(\d+))?/.exec(values.get("VERSION_ID") ?? "") ?? [];
  const text = shown(values.get("PRETTY_NAME") ?? values.get("NAME") ?? id);
  const variant = shown(values.get("VARIANT_ID") ?? "").toLowerCase();
  return {
    file,
    text,
    ...claimed((one) => one.ids.includes(id), major, update),
    ...(appliances.test(variant) && { appliance: variant }),
  };
}

/** The subject of a statement that comes from the packages. */
export const packageClaims = "the package database";

/** Reads the name of the package with the release file, such as oraclelinux-release-6Server-10.0.2. */
export function claimOfPackage({
  name,
  version,
  release,
}: Readonly<Record<"name" | "version" | "release", string>>): Claim | undefined {
  if (!products.some(({ packages }) => packages.test(name))) return undefined;
  const [, major, update = /^\d+\w/.test(version) ? /^(\d+)/.exec(release)?.[1] : undefined] =
    /^(\d+)(?:\.(\d+))?/.exec(version) ?? [];
  return {
    file: packageClaims,
    text: shown(`${name}-${version}-${release}`),
    ...claimed(({ packages }) => packages.test(name), major, update),
  };
}

function claimed(
  isIt: (product: Product) => boolean,
  major: string | undefined,
  update: string | undefined,
): Pick<Claim, "product" | "major" | "update"> {
  const product = products.find(isIt);
  return {
    ...(product && { product: product.name }),
    ...(major !== undefined && { major: Number(major) }),
    ...(update !== undefined && { update: Number(update) }),
  };
}

/** The names of the supported distributions, for messages. */
export const knownProducts: readonly string[] = products.map(({ name }) => name);

function shown(text: string): string {
  return text
    .replaceAll(/\p{C}+/gu, " ")
    .trim()
    .slice(0, 120);
}
