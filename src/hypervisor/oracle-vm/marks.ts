/*
 * The objects of a machine have its name, and a mark in their descriptions. The machines of a build have
 * unique names, so the name is enough if the Manager does not show descriptions.
 */

export const markOf = (vm: string): string => `Made by tbuild for its machine ${vm}.`;

export const diskName = (vm: string, slot: number): string => `${vm} disk ${slot}`;

/** Also the file name, from which the Manager takes the name of a disc. */
export const discName = (vm: string, purpose: string): string => `${vm}-${purpose}.iso`;

export function isDiskOf(vm: string, name: string): boolean {
  return name.startsWith(`${vm} disk `) && /^\d+$/.test(name.slice(`${vm} disk `.length));
}

export function isDiscOf(vm: string, name: string): boolean {
  return name.startsWith(`${vm}-`) && /^(?:cd\d+|boot)\.iso$/.test(name.slice(vm.length + 1));
}

/** The name of a template that is made of a machine, until it is complete. REST names it after the machine, too. */
export const nameOfHalf = (vm: string): string => `${vm}.template`;

export function isHalfOf(vm: string, name: string): boolean {
  return name.startsWith(`${vm}.`);
}

/** False if a description shows that tbuild did not make the object for this machine. */
export function mayBeOf(vm: string, description: string | undefined): boolean {
  return description === undefined || description.includes(markOf(vm));
}
