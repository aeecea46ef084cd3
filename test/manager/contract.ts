import { expect, it } from "vitest";
import type { ManagerApi } from "../../src/manager/api.ts";
import type { World } from "../../src/manager/simulator/world.ts";

export interface Opened {
  readonly api: ManagerApi;
  readonly world: World;
}

/** The contract of every interface to a Manager. `release` is the dialect. */
export function managerContract(
  release: string,
  opened: () => Promise<Opened>,
  { importsOneFile = false }: { readonly importsOneFile?: boolean } = {},
): void {
  const first = async (api: ManagerApi, kind: Parameters<ManagerApi["list"]>[0]) => {
    const [one] = await api.list(kind);
    return one?.id ?? expect.fail(`no ${kind}`);
  };
  const makeVm = async (api: ManagerApi, name: string) =>
    api.createVm({
      name,
      description: "made by a test: 100 %",
      domainType: "XEN_HVM_PV_DRIVERS",
      memoryMib: 2048,
      vcpus: 2,
      pool: await first(api, "ServerPool"),
      repository: await first(api, "Repository"),
      bootOrder: ["CDROM", "DISK"],
    });

  it("says its version, and that it is a simulator", async () => {
    const { api } = await opened();
    expect(await api.about()).toMatchObject({ version: expect.stringContaining(release), isSimulator: true });
  });

  it("lists all objects", async () => {
    const { api } = await opened();
    const names = async (kind: Parameters<ManagerApi["list"]>[0]) =>
      (await api.list(kind)).map(({ name }) => name);
    expect(await names("ServerPool")).toEqual(["pool1"]);
    expect(await names("Server")).toEqual(["ovs1", "ovs2"]);
    expect(await names("Repository")).toEqual(["repo1", "repo2"]);
    expect(await names("Network")).toEqual(["public", "private"]);
    expect(await names("Vm")).toContain("OVM_OL6");
    expect(await names("Assembly")).toEqual([]);
  });

  it.each([
    "vm001",
    "a b",
    "Zürich 東京",
    "with:colon",
    "brackets [and] (more)",
    "quotes \" and '",
    "slash/es//",
    "semi;colon @x = y",
    "  two  name:blanks",
  ])("makes, changes and deletes a machine named %j", async (name) => {
    const { api, world } = await opened();
    const id = await makeVm(api, name);
    expect(await api.vm(id)).toMatchObject({
      name: name.trim() === name ? name : expect.stringContaining(name.trim()),
      state: "stopped",
      description: "made by a test: 100 %",
      domainType: "XEN_HVM_PV_DRIVERS",
      memoryMib: 2048,
      vcpus: 2,
      repository: { name: "repo1" },
    });
    await api.editVm(id, { memoryMib: 4096, vcpus: 4, name: `${name}2`, description: "b/c" });
    expect(world.objects.get(id)).toMatchObject({
      name: `${name}2`,
      description: "b/c",
      is: { memoryMib: 4096, vcpus: 4 },
    });
    await api.deleteVm(id);
    expect(world.objects.has(id)).toBe(false);
  });

  it("starts, stops and kills", async () => {
    const { api } = await opened();
    const id = await makeVm(api, "power");
    await api.start(id);
    expect((await api.vm(id)).state).toBe("running");
    expect((await api.vm(id)).isTemplate).toBe(false);
    await api.stop(id);
    expect((await api.vm(id)).state).toBe("stopped");
    await api.start(id);
    await api.kill(id);
    expect((await api.vm(id)).state).toBe("stopped");
    await api.deleteVm(id);
  });

  it("makes disks, maps a shared one to two machines in the same slot, and an empty drive", async () => {
    const { api, world } = await opened();
    const [one, two] = [await makeVm(api, "one"), await makeVm(api, "two")];
    const disk = await api.createDisk({
      name: "asm1",
      description: "of one and two",
      bytes: 3 * 2 ** 30,
      isShareable: true,
      isSparse: true,
      repository: await first(api, "Repository"),
    });
    expect(await api.disk(disk)).toMatchObject({ name: "asm1", bytes: 3 * 2 ** 30, isShareable: true });
    const mapping = await api.createMapping(one, 2, { virtualDisk: disk, mode: "shared" }, "asm1 in one");
    await api.createMapping(two, 2, { virtualDisk: disk, mode: "shared" }, "asm1 in two");
    const drive = await api.createMapping(one, 3, "empty-drive", "drive");
    expect(await api.mapping(mapping)).toMatchObject({ slot: 2, device: { kind: "virtual-disk", id: disk } });
    expect(await api.mapping(drive)).toMatchObject({ slot: 3, device: { kind: "empty" } });
    expect((await api.vm(one)).mappings.map(({ id }) => id).sort()).toEqual([mapping, drive].sort());
    await expect(api.createMapping(one, 2, { virtualDisk: disk }, "again")).rejects.toMatchObject({
      fault: "environment",
      code: "failed",
    });
    await expect(api.deleteDisk(disk)).rejects.toThrow(/asm1|refused|mapped/);
    await api.deleteMapping(mapping);
    for (const vm of [one, two]) await api.deleteVm(vm);
    await api.deleteDisk(disk);
    expect(world.all("VirtualDisk").some(({ name }) => name === "asm1")).toBe(false);
  });

  it("makes vnics with their MACs", async () => {
    const { api } = await opened();
    const vm = await makeVm(api, "nics");
    const network = await first(api, "Network");
    const id = await api.createVnic(vm, { network, mac: "00:21:f6:0a:0b:0c" });
    expect(await api.vnic(id)).toMatchObject({ mac: "00:21:f6:0a:0b:0c", network: { name: "public" } });
    expect((await api.vm(vm)).vnics.map((one) => one.id)).toEqual([id]);
    await expect(api.createVnic(vm, { network, mac: "00:21:f6:0a:0b:0c" })).rejects.toThrow();
    await api.deleteVnic(id, vm);
    expect((await api.vm(vm)).vnics).toEqual([]);
    await api.deleteVm(vm);
  });

  it("clones a template to a machine, and a machine to a template", async () => {
    const { api, world } = await opened();
    const template = (await api.list("Vm")).find(({ name }) => name === "OVM_OL6");
    const pool = await first(api, "ServerPool");
    const clone = await api.cloneVm({
      from: template?.id ?? "",
      name: "clone",
      pool,
      asTemplate: false,
    });
    expect(await api.vm(clone)).toMatchObject({ name: "clone", state: "stopped" });
    expect((await api.vm(clone)).mappings).toHaveLength(1);
    const again = await api.cloneVm({ from: clone, name: "golden", pool, asTemplate: true });
    expect(world.objects.get(again)?.is.state).toBe("TEMPLATE");
    for (const id of [clone, again]) await api.deleteVm(id);
  });

  if (release !== "3.2")
    it("clones as a customizer says", async () => {
      const { api, world } = await opened();
      const template = (await api.list("Vm")).find(({ name }) => name === "OVM_OL6")?.id ?? "";
      const [mapping] = (await api.vm(template)).mappings;
      const [, second] = await api.list("Repository");
      const customizer = await api.createCustomizer?.(template, {
        name: "thin",
        storage: [{ mapping: mapping?.id ?? "", repository: second?.id ?? "", type: "THIN_CLONE" }],
        networks: [],
      });
      const pool = await first(api, "ServerPool");
      const id = await api.cloneVm({
        from: template,
        name: "thin1",
        pool,
        asTemplate: false,
        ...(customizer !== undefined && { customizer }),
      });
      const [mapped] = (await api.vm(id)).mappings;
      expect(world.objects.get(mapped?.id ?? "")?.is.cloneType).toBe("THIN_CLONE");
      await api.deleteCustomizer?.(customizer ?? "");
      expect(world.all("VmCloneStorageMapping")).toEqual([]);
      await api.deleteVm(id);
    });

  it("imports discs, and templates of several files", async () => {
    const { api } = await opened();
    const repository = await first(api, "Repository");
    const wanted = { repository, server: "ovs1" };
    await api.importIso({ ...wanted, urls: ["http://192.0.2.1/OracleLinux-R6-U10.iso"] });
    expect((await api.list("VirtualCdrom")).map(({ name }) => name)).toEqual(["OracleLinux-R6-U10.iso"]);
    // The form with a query has one address only.
    const urls = ["http://192.0.2.1/RAC-1of2.tar.gz", "http://192.0.2.1/RAC-2of2.tar.gz"];
    await api.importTemplate({ ...wanted, urls: importsOneFile ? urls.slice(0, 1) : urls });
    expect((await api.list("Vm")).map(({ name }) => name)).toContain("RAC");
    await expect(
      api.importTemplate({ ...wanted, urls: ["http://192.0.2.1/missing.tgz"] }),
    ).rejects.toMatchObject({ fault: "environment" });
  });

  it("makes a template of an assembly", async () => {
    const { api } = await opened();
    const repository = await first(api, "Repository");
    await api.importAssembly({ repository, server: "ovs1", urls: ["http://192.0.2.1/golden.ova"] });
    const [assembly] = await api.list("Assembly");
    expect(assembly?.name).toBe("golden.ova");
    await api.templatesFromAssembly(assembly?.id ?? "");
    const template = (await api.list("Vm")).find(({ name }) => name === "golden");
    expect((await api.vm(template?.id ?? "")).isTemplate).toBe(true);
  });

  it("sends messages; secrets and long ones are not logged by the Manager", async () => {
    const { api, world } = await opened();
    const vm = await makeVm(api, "talk");
    await expect(api.sendMessages(vm, [{ key: "a", value: "b", isSecret: false }])).rejects.toMatchObject({
      fault: "environment",
    });
    await api.start(vm);
    await api.sendMessages(vm, [
      { key: "com.oracle.linux.network.hostname", value: 'a "b" / c', isSecret: false },
      { key: "long", value: "x".repeat(2000), isSecret: false },
      { key: "com.oracle.linux.root-password", value: "S3cr/et", isSecret: true },
    ]);
    expect(world.sent.get(vm)).toEqual([
      { key: "com.oracle.linux.network.hostname", value: 'a "b" / c', log: true },
      { key: "long", value: "x".repeat(2000), log: false },
      { key: "com.oracle.linux.root-password", value: "S3cr/et", log: false },
    ]);
    world.received.set(vm, [{ key: "done", value: "0 = ok" }]);
    if (api.receivedMessages)
      expect(await api.receivedMessages(vm)).toEqual([{ key: "done", value: "0 = ok" }]);
    else expect(release).toBe("3.2");
    await api.kill(vm);
    await api.deleteVm(vm);
  });
}
