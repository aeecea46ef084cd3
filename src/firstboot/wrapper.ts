import { afterBootFolder, afterBootService } from "./after-boot.ts";
import { doneFolder } from "./arming.ts";
import { keyOf, type ModuleParameter, type ModuleYaml, variableOf } from "./module-yaml.ts";
import { list, literal, tuple } from "./python-literal.ts";
import { type Target, targets } from "./targets.ts";
import { afterBootRuns, logging, ownValues, running } from "./wrapper-parts.ts";

/**
 * The program that ovm-template-config runs for a module: one file for Python 2.4 (with simplejson) to 3. `python` is the
 * interpreter in its first line.
 */
export function wrapperOf(module: ModuleYaml, python = "/usr/bin/env python"): string {
  const order = targets.filter((target) => module.targets[target] !== undefined);
  return `#!${python}
# -*- coding: utf-8 -*-
### BEGIN PLUGIN INFO
# name: ${module.name}
${order.map((target) => `# ${target}: ${module.targets[target]}`).join("\n")}
# description: ${oneLine(module.description)}
### END PLUGIN INFO

# Made by tbuild from module.yaml. Change that file, not this one.
# The program below ends by itself after ${module.run.timeout} seconds. tbuild's guest additions would end it after:
# tbuild-timeout: ${module.run.timeout + 60}
# Python 2.4 (Oracle Linux 5) to 3: no json before 2.6, no "with", no "except ... as".
try:
    import json
except ImportError:
    import simplejson as json
import errno
import fcntl
${module.afterBoot ? "import glob\n" : ""}import os
import signal
import subprocess
import sys
import tempfile
import time

NAME = ${literal(module.name)}
PROGRAM = ${commandOf(module.run)}
SECONDS = ${module.run.timeout}
JSON_INPUT = ${literal(module.run.input === "json")}
LOG = '/var/log/ovm-template-config.log'
# Guest additions that log what a module says on standard error say so. With others, this program writes the log.
LOGGED = os.environ.get('TEMPLATECONFIG_LOGS') == 'stderr'
DONE = ${literal(`${doneFolder}/${module.name}`)}
${afterBootConstants(module)}
PARAMETERS = ${list(module.parameters.map((one) => literal(enumerated(module, one))))}

# Environment variable, key, default, is it numbered, must it be there, is it a secret
VALUES = ${list(
    module.parameters.map((one) =>
      tuple([
        variableOf(one.name),
        keyOf(module, one),
        one.default ?? "",
        one.index,
        one.required,
        one.password,
      ]),
    ),
  )}


${ownValues}


${logging}


${running}


def forget():
    for path in [DONE${module.afterBoot ? ", WAITING" : ""}]:
        if os.path.exists(path):
            os.unlink(path)
${module.afterBoot ? `\n\n${afterBootRuns}\n` : ""}${order.map((target) => `\n\n${action(module, target)}`).join("")}


def do_enumerate(target):
    if target == 'configure':
        return json.dumps(PARAMETERS)
    return json.dumps([])


if __name__ == '__main__':
${module.afterBoot ? "    if sys.argv[1:] == ['--after-boot']:\n        sys.exit(after_boot())\n" : ""}    from templateconfig.cli import main
    main(do_enumerate, {${order.map((target) => `'${target}': do_${target}`).join(", ")}})
`;
}

function afterBootConstants({ name, afterBoot }: ModuleYaml): string {
  if (afterBoot === undefined) return "";
  return `# What runs after the boot. Its values wait in this file.
AFTER = ${commandOf(afterBoot)}
AFTER_SECONDS = ${afterBoot.timeout}
WAITING = ${literal(`${afterBootFolder}/${name}`)}
SERVICE = ${literal(afterBootService(name))}
# EX_TEMPFAIL: what it needs is not there yet.
NOT_YET = 75
`;
}

function action({ afterBoot }: ModuleYaml, target: Target): string {
  if (target === "configure")
    return `def do_configure(param):
    values = json.loads(param)
    if os.path.exists(DONE):
        log(['configure: this clone is configured already'])
        return json.dumps(values)
    own = own_values(values)
    run('configure', own, PROGRAM, SECONDS)
${afterBoot ? "    wait_for_boot(own)\n" : ""}    if not os.path.isdir(os.path.dirname(DONE)):
        os.makedirs(os.path.dirname(DONE))
    open(DONE, 'w').close()
    return json.dumps(values)`;
  const forgets = target === "unconfigure" || target === "cleanup";
  return `def do_${target}(param):
    values = json.loads(param)
    run('${target}', own_values(values), PROGRAM, SECONDS)
${forgets ? "    forget()\n" : ""}    return json.dumps(values)`;
}

// A Python program runs under the Python of ovm-template-config, which has another path in each release.
function commandOf({
  program,
  interpreter,
}: ModuleYaml["run"] | NonNullable<ModuleYaml["afterBoot"]>): string {
  if (interpreter === "python") return `[sys.executable, ${literal(program)}]`;
  return literal(interpreter === undefined ? [program] : [interpreters[interpreter], program]);
}

// EL5 to EL9 have these paths.
const interpreters = { sh: "/bin/sh", bash: "/bin/bash", ksh: "/bin/ksh", perl: "/usr/bin/perl" } as const;

/** A parameter as do_enumerate declares it: only fields that ovm-template-config or `tbuild message` knows. */
function enumerated(module: ModuleYaml, one: ModuleParameter): Readonly<Record<string, unknown>> {
  return {
    key: `${keyOf(module, one)}${one.index ? ".0" : ""}`,
    description: oneLine(one.description),
    ...(one.required && { required: true }),
    ...(one.hidden && { hidden: true }),
    ...(one.password && { password: true }),
    ...(one.type !== "text" && { type: one.type }),
    ...(one.default !== undefined && { default: one.default }),
    ...(one.choices !== undefined && { choices: one.choices }),
    ...(one.pattern !== undefined && { pattern: one.pattern }),
  };
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}
