"""Reads a kickstart as the release's own installer does, and refuses lines that it does not know.

The table is a short form of what the parsers of EL6 and EL7 accept (test/kickstart/kickstart-lines.tsv).
"""
import shlex

# command: (releases, options of both, options of EL6 only, options of EL7 only); "*" takes any words behind it.
COMMANDS = {
    'install': ('67', '', '', ''), 'cdrom': ('67', '', '', ''), 'cmdline': ('67', '', '', ''), 'text': ('67', '', '', ''),
    'skipx': ('67', '', '', ''), 'zerombr': ('67', '', '', ''), 'poweroff': ('67', '', '', ''), 'halt': ('67', '', '', ''),
    'shutdown': ('67', '', '', ''), 'reboot': ('67', 'eject', '', ''), 'interactive': ('6', '', '', ''), 'graphical': ('67', '', '', ''),
    'unsupported_hardware': ('67', '', '', ''), 'key': ('6', 'skip', '', ''), 'eula': ('7', 'agreed', '', ''),
    'firstboot': ('67', 'disabled disable enable enabled reconfig', '', ''),
    'lang': ('67', '', '', 'addsupport='), 'keyboard': ('67', '', '', 'vckeymap= xlayouts= switch='),
    'timezone': ('67', 'utc isUtc', '', 'nontp ntpservers='),
    'rootpw': ('67', 'iscrypted plaintext', '', 'lock'),
    'authconfig': ('67', '*', '', ''), 'auth': ('67', '*', '', ''),
    'selinux': ('67', 'permissive disabled enforcing', '', ''),
    'firewall': ('67', 'disabled disable enabled enable ssh http ftp smtp port= service= trust=', '', 'remove-service='),
    'services': ('67', 'enabled= disabled=', '', ''),
    'network': ('67', 'bootproto= device= onboot= noipv6 ipv6= ip= netmask= gateway= nameserver= hostname= activate nodns mtu= nodefroute', '', 'no-activate'),
    'bootloader': ('67', 'location= append= driveorder= timeout= md5pass= password= iscrypted disabled', '', 'boot-drive= leavebootorder extlinux'),
    'clearpart': ('67', 'all linux none initlabel drives=', '', 'disklabel='),
    'ignoredisk': ('67', 'only-use= drives=', '', ''),
    'autopart': ('67', 'encrypted passphrase=', '', 'type= fstype= nolvm'),
    'part': ('67', 'fstype= size= grow maxsize= asprimary ondisk= ondrive= label= fsoptions= fsprofile= recommended', '', 'mkfsoptions='),
    'partition': ('67', 'fstype= size= grow maxsize= asprimary ondisk= ondrive= label= fsoptions= fsprofile= recommended', '', 'mkfsoptions='),
    'volgroup': ('67', 'pesize=', '', ''), 'logvol': ('67', 'vgname= name= size= grow fstype= maxsize=', '', ''),
    'url': ('67', 'url= proxy= noverifyssl mirrorlist=', '', ''), 'nfs': ('67', 'server= dir=', '', ''), 'harddrive': ('67', 'partition= dir=', '', ''),
    'repo': ('67', 'name= baseurl= mirrorlist= cost= excludepkgs= includepkgs= ignoregroups= proxy= noverifyssl', '', 'install'),
    'user': ('67', 'name= groups= password= iscrypted plaintext gecos= uid= homedir= shell= lock', '', 'gid='),
    'group': ('67', 'name= gid=', '', ''), 'sshpw': ('67', 'username= plaintext iscrypted lock', '', ''), 'sshkey': ('7', 'username=', '', ''),
    'logging': ('67', 'host= port= level=', '', ''), 'reqpart': ('7', 'add-boot', '', ''),
}
SECTIONS = {
    '%packages': ('67', 'ignoremissing excludedocs nobase nocore default', '', 'inst-langs= multilib'),
    '%pre': ('67', 'interpreter= log= logfile= erroronfail', '', ''),
    '%post': ('67', 'interpreter= log= logfile= erroronfail nochroot', '', ''),
    '%traceback': ('67', 'interpreter= log=', '', ''),
    '%pre-install': ('7', 'interpreter= log= erroronfail', '', ''), '%onerror': ('7', 'interpreter= log=', '', ''),
    '%addon': ('7', '*', '', ''), '%anaconda': ('7', '*', '', ''),
}


class KickstartError(Exception):
    def __init__(self, line, text):
        Exception.__init__(self, 'The following problem occurred on line %d of the kickstart file:\n\n%s\n' % (line, text))


class Command:
    def __init__(self, name, line, options, words):
        self.name, self.line, self.options, self.words = name, line, options, words

    def get(self, option, default=None):
        return self.options.get(option, default)


class Section(Command):
    def __init__(self, name, line, options, words):
        Command.__init__(self, name, line, options, words)
        self.body = []


def parse(path, release, includes=True):
    """(commands, sections). With `includes` off, %include lines are passed over: %pre has still to write the files."""
    commands, sections = [], []
    read(path, release, includes, commands, sections)
    return commands, sections


def read(path, release, includes, commands, sections):
    section = None
    with open(path) as file:
        for number, raw in enumerate(file, 1):
            line = raw.rstrip('\n')
            word = line.split()[0] if line.split() else ''
            if word == '%end':
                section = None
            elif word == '%include' and section is None:
                if includes:
                    included(line, number, release, commands, sections)
            elif word in SECTIONS and (section is None or word != '%packages'):
                if section is not None:
                    raise KickstartError(section.line, 'Section %s does not end with %%end.' % section.name)
                section = make(Section, SECTIONS, word, line, number, release)
                sections.append(section)
            elif section is not None:
                section.body.append(line)
            elif word.startswith('%'):
                raise KickstartError(number, 'Unknown kickstart section: %s' % word)
            elif word and not word.startswith('#'):
                commands.append(make(Command, COMMANDS, word, line, number, release))
    if section is not None:
        raise KickstartError(section.line, 'Section %s does not end with %%end.' % section.name)


def included(line, number, release, commands, sections):
    path = line.split(None, 1)[1].strip()
    try:
        read(path, release, True, commands, sections)
    except FileNotFoundError:
        raise KickstartError(number, 'Unable to open input kickstart file: %s' % path)


def make(kind, table, name, line, number, release):
    if name not in table or str(release) not in table[name][0]:
        raise KickstartError(number, 'Unknown command: %s' % name)
    _, both, six, seven = table[name]
    known = (both + ' ' + (six if release == 6 else seven)).split()
    try:
        words = shlex.split(line, comments=True)[1:]
    except ValueError as error:
        raise KickstartError(number, str(error))
    options, rest = {}, []
    while words:
        word = words.pop(0)
        if not word.startswith('--') or '*' in known:
            rest.append(word)
            continue
        option, equals, value = word[2:].partition('=')
        if option + '=' in known:
            if not equals:
                if not words:
                    raise KickstartError(number, '--%s option requires an argument' % option)
                value = words.pop(0)
            options[option] = value
        elif option in known and not equals:
            options[option] = True
        else:
            raise KickstartError(number, 'no such option: --%s' % option)
    return kind(name, number, options, rest)


def completeness(commands, sections, release):
    """What cmdline mode needs answered; the real installer stops and waits where something is missing."""
    names = {command.name for command in commands}
    required = [('lang',), ('keyboard',), ('timezone',), ('rootpw',), ('part', 'partition', 'autopart')]
    if release == 6:
        required += [('poweroff', 'reboot', 'halt', 'shutdown'), ('clearpart',)]
    missing = [' or '.join(choice) for choice in required if not names & set(choice)]
    if not any(section.name == '%packages' for section in sections):
        missing.append('%packages')
    return missing
