import type { ModuleYaml } from "./module-yaml.ts";

/** The folder for values of modules whose second program must still run. Only root can read the files. */
export const afterBootFolder = "/var/lib/tbuild/after-boot";

/** The service that runs the second program. */
export function afterBootService(module: string): string {
  return `tbuild-after-${module}`;
}

/** Its file for SysV init. */
export function sysvService(module: string): string {
  return `/etc/rc.d/init.d/${afterBootService(module)}`;
}

interface ServiceFile {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

/** The service for SysV init and for systemd. Each ignores the other's file. */
export function afterBootFiles({ name, afterBoot }: ModuleYaml): readonly ServiceFile[] {
  if (afterBoot === undefined) return [];
  const service = afterBootService(name);
  const program = `/etc/template.d/scripts/${name}`;
  const waiting = `${afterBootFolder}/${name}`;
  return [
    {
      path: sysvService(name),
      mode: 0o755,
      text: `#!/bin/sh
# ${service}  runs ${afterBoot.program} once
#
# chkconfig: 2345 99 01
# description: Runs the second program of the first-boot module ${name} once, after the boot
# In the background: nobody waits for it to log in. The program itself waits for the end of the boot.
case "$1" in
  start) [ ! -e ${waiting} ] || setsid ${program} --after-boot < /dev/null > /dev/console 2>&1 & ;;
  stop|restart|reload) ;;
  status) if [ -e ${waiting} ]; then echo "${name} still has to run after the boot"; else echo "${name} has nothing to do"; fi ;;
  *) echo "Usage: $0 {start|status}"; exit 2 ;;
esac
`,
    },
    {
      path: `/usr/lib/systemd/system/${service}.service`,
      mode: 0o644,
      text: `[Unit]
Description=Second program of the first-boot module ${name}, after the boot (tbuild)
ConditionPathExists=${waiting}
Wants=network-online.target
After=network-online.target remote-fs.target autofs.service ovm-template-initial-config.service tbuild-clone.service

[Service]
# Not oneshot: the boot is complete while it runs. What the program starts stays when it ends.
Type=simple
KillMode=process
ExecStart=${program} --after-boot
StandardOutput=journal+console

[Install]
WantedBy=multi-user.target
`,
    },
  ];
}
