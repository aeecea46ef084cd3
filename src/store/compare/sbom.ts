import { Enums, Models, Serialize, Spec } from "@cyclonedx/cyclonedx-library";
import type { Manifest, PackageRecord } from "../../model/manifest.ts";
import { manifestDigest } from "../../model/manifest.ts";
import { packageVersion } from "../../model/rpm-version.ts";

/** A template's bill of materials, CycloneDX 1.6 as JSON. Pure: the same manifest gives the same bytes. */
export function sbomOf(manifest: Manifest): string {
  const { name, version, made, summary, release, kernel, domainType, packages, disks } = manifest;
  const template = new Models.Component(Enums.ComponentType.OperatingSystem, name, {
    version,
    description: summary,
    bomRef: "template",
    hashes: new Models.HashDictionary(
      disks.map(({ digest }) => [Enums.HashAlgorithm["SHA-256"], digest.slice("sha256:".length)]),
    ),
    properties: new Models.PropertyRepository([
      new Models.Property("tbuild:manifest", manifestDigest(manifest)),
      new Models.Property("tbuild:release", release.name),
      new Models.Property("tbuild:kernel", kernel),
      new Models.Property("tbuild:domainType", domainType),
      new Models.Property("tbuild:rehearsal", String(manifest.rehearsal)),
    ]),
  });
  const components = packages.map((one) => componentOf(one, manifest));
  for (const { bomRef } of components) template.dependencies.add(bomRef);
  const tool = new Models.Component(Enums.ComponentType.Application, "tbuild", { version: manifest.tbuild });
  const bom = new Models.Bom({
    serialNumber: serialOf(manifest),
    metadata: new Models.Metadata({
      timestamp: new Date(made),
      component: template,
      tools: new Models.Tools({ components: new Models.ComponentRepository([tool]) }),
    }),
    components: new Models.ComponentRepository(components),
  });
  const factory = new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6);
  return `${new Serialize.JsonSerializer(factory).serialize(bom, { sortLists: true, space: 1 })}\n`;
}

function componentOf(one: PackageRecord, manifest: Manifest): Models.Component {
  const { name, license, signature } = one;
  const purl = purlOf(one, manifest);
  return new Models.Component(Enums.ComponentType.Library, name, {
    version: packageVersion(one),
    bomRef: purl,
    purl,
    ...(license !== undefined && {
      licenses: new Models.LicenseRepository([new Models.NamedLicense(license)]),
    }),
    properties: new Models.PropertyRepository([
      new Models.Property("tbuild:signature", signature ?? "unsigned"),
    ]),
  });
}

// `ol` is Oracle Linux's own ID in os-release, which scanners use to look up its packages. A rehearsal has
// Debian's packages with Oracle's names: a scanner that treated them as Oracle's would report wrong results.
function purlOf(one: PackageRecord, { release, rehearsal }: Manifest): string {
  const vendor = rehearsal ? "tbuild-rehearsal" : "ol";
  const version = encodeURIComponent(`${one.version}-${one.release}`);
  const distro = `${vendor}-${release.major}.${release.update}`;
  const epoch = one.epoch > 0 ? `&epoch=${one.epoch}` : "";
  return `pkg:rpm/${vendor}/${encodeURIComponent(one.name)}@${version}?arch=${one.arch}&distro=${distro}${epoch}`;
}

// A UUID derived from the manifest's digest, so the same bill is the same document.
function serialOf(manifest: Manifest): string {
  const hex = manifestDigest(manifest).slice("sha256:".length);
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ];
  return `urn:uuid:${parts.join("-")}`;
}
