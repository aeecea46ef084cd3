/** A pattern for console lines that report progress. */
export interface Progress {
  readonly pattern: RegExp;
  /** The text to show; `$1` … are the groups. Two numeric groups are a count and its total. */
  readonly text: string;
  readonly counted?: true;
}

/** A pattern for lines after which the installation cannot succeed, and what to do. */
export interface Failure {
  readonly pattern: RegExp;
  readonly text: string;
  readonly hint: string;
}

// Messages differ between releases. One table serves all releases, because no message means different things
// in two of them.
export const progress: readonly Progress[] = [
  { pattern: /Linux version (\S+)/, text: "the kernel starts" },
  {
    pattern:
      /Greetings\.|anaconda installer init version|Running anaconda .*, the|anaconda \S+ for .* started/,
    text: "the installer starts",
  },
  {
    pattern: /Retrieving installation information|Looking for installation images|Starting automated install/,
    text: "reading the medium",
  },
  { pattern: /TBUILD \S+ pre disk=(\S+)/, text: "the kickstart is running, disk $1" },
  {
    pattern: /Checking dependencies|Setting up the installation environment|Checking software selection/,
    text: "checking dependencies",
  },
  { pattern: /Creating \S+ (?:filesystem|on)|Formatting/, text: "making file systems" },
  { pattern: /Packages completed: (\d+) of (\d+)/, text: "installing packages", counted: true },
  { pattern: /Installing \S+ \((\d+)\/(\d+)\)/, text: "installing packages", counted: true },
  { pattern: /Done \[(\d+)\/(\d+)\]/, text: "installing packages", counted: true },
  { pattern: /Starting install process|Installing software/, text: "installing packages" },
  { pattern: /Performing post.?install(?:ation)? (?:configuration|setup)/, text: "configuring" },
  { pattern: /Installing boot ?loader/i, text: "installing the boot loader" },
  { pattern: /Generating initramfs/, text: "making the initramfs" },
  { pattern: /Running post-install(?:ation)? scripts/, text: "running the kickstart's scripts" },
  {
    pattern: /terminating anaconda|sending termination signals|powering off system|Running poweroff/,
    text: "powering off",
  },
];

const kickstartHint = "Print the kickstart with `tbuild kickstart NAME`, and check the named line.";
const missingMedium = "The installer does not find its disc. Read the console log in the build folder.";

export const failures: readonly Failure[] = [
  {
    pattern: /Kernel panic - not syncing: (.*)/,
    text: "the kernel panicked: $1",
    hint: "The machine has too little memory, or the kernel does not support it.",
  },
  {
    pattern: /The following problem occurred on line (\d+) of the kickstart file:?\s*(.*)/,
    text: "the kickstart has an error on line $1: $2",
    hint: kickstartHint,
  },
  {
    pattern: /error was found while parsing (?:your|the) kickstart configuration/,
    text: "the kickstart has an error",
    hint: kickstartHint,
  },
  { pattern: /parse-kickstart ERROR:?\s*(.*)/, text: "the kickstart has an error: $1", hint: kickstartHint },
  {
    pattern: /An error occurred during reading the kickstart file/,
    text: "the kickstart cannot be read",
    hint: kickstartHint,
  },
  {
    pattern: /There was an error running the kickstart script at line (\d+)/,
    text: "the kickstart's script at line $1 failed",
    hint: kickstartHint,
  },
  {
    pattern:
      /(?:Cannot find kickstart file|can't find \/ks\.cfg|Can't get kickstart from|cannot get kickstart)\s*(.*)/i,
    text: "the installer did not get its kickstart",
    hint: "This is a bug in tbuild: the kickstart is part of the initrd.",
  },
  {
    pattern: /Traceback \(most recent call last\)/,
    text: "the installer crashed",
    hint: "See the lines below. Either the installer has a bug, or it cannot handle something in the kickstart.",
  },
  {
    pattern: /install exited abnormally \[\S+\]|Anaconda died after receiving signal/,
    text: "the installer died",
    hint: "Read the console log in the build folder.",
  },
  {
    pattern:
      /Can't have a question in command line mode|Command line mode requires all choices|In interactive step .*, can't continue|Parted exceptions can't be handled|non-interactive cmdline mode|Running in cmdline mode, no interactive debugging/,
    text: "the installer asks a question",
    hint: "The kickstart does not answer this question. See the lines above.",
  },
  {
    pattern: /(?:You do not have enough RAM|requires \d+ MB of memory).*/,
    text: "too little memory for the installer",
    hint: "Raise machine.memory in the recipe.",
  },
  {
    pattern:
      /dracut-initqueue.*timeout|\/dev\/root" does not exist|Entering emergency mode|Please insert CDROM containing|no suitable images|Could not boot\./,
    text: "the medium was not found",
    hint: missingMedium,
  },
  {
    pattern: /The following error occurred while installing|An unknown error has occur?red/,
    text: "the installation failed",
    hint: "See the lines below.",
  },
  {
    pattern: /you may safely reboot your system|will be rebooted when you press Ctrl-C/,
    text: "the installer gave up",
    hint: "See the lines above.",
  },
];
