"""The settings of network cards: ifcfg files of network-scripts, or keyfiles where NetworkManager alone reads settings."""
import glob
import os
import re

from ovmdaemon.compat import caught, run
from templateconfig.common import read_text, run_cmd, write_text

SCRIPTS = '/etc/sysconfig/network-scripts'
CONNECTIONS = '/etc/NetworkManager/system-connections'
# With it, NetworkManager reads ifcfg files too: EL7 to EL9.
IFCFG_PLUGIN = '/usr/lib*/NetworkManager/*/libnm-settings-plugin-ifcfg-rh.so'
ETHERNET = ('ethernet', '802-3-ethernet')
# Above the connections that fit every card, which have 0 or less.
PRIORITY = 100


def configure(one):
    """
    Writes the settings of a card, removes all others that name it, and applies them if the card is here. `one` has the values of
    the module network without their prefix: device, onboot, bootproto, ipaddr, netmask, gateway, dns-servers, dns-search-domains.
    """
    device = one['device']
    if has_keyfiles():
        path, text, mode = '%s/%s.nmconnection' % (CONNECTIONS, device), keyfile(one), 384  # 0600: others are ignored
    else:
        path, text, mode = '%s/ifcfg-%s' % (SCRIPTS, device), ifcfg(one), 420
    for other in files_of(device):
        if other != path:
            print('%s also named %s, and was removed' % (other, device))
            os.unlink(other)
    write_text(path, text, mode)
    if os.path.exists('/sys/class/net/' + device):
        apply_to(device, is_on(one))


def forget():
    """Every card gets its address by DHCP again. Of cards with ifcfg files, eth0 or else the first is brought up at boot."""
    aliases = [path for path in glob.glob(SCRIPTS + '/ifcfg-e[tn]*') if ':' in path]
    for path in aliases:
        os.unlink(path)
    paths = glob.glob(SCRIPTS + '/ifcfg-e[tn]*')
    paths.sort(key=lambda path: (not path.endswith('-eth0'), path))
    for path in paths:
        device, onboot = os.path.basename(path)[len('ifcfg-'):], ['no', 'yes'][path == paths[0]]
        write_text(path, 'DEVICE=%s\nTYPE=Ethernet\nONBOOT=%s\nBOOTPROTO=dhcp\n' % (device, onboot))
    for path in glob.glob(CONNECTIONS + '/*'):
        text = read_text(path)
        if keyfile_value(text, 'connection', 'type') in ETHERNET:
            one = {'device': keyfile_value(text, 'connection', 'interface-name'),
                   'onboot': ['yes', 'no'][keyfile_value(text, 'connection', 'autoconnect') == 'false']}
            write_text(path, keyfile(one, keyfile_value(text, 'connection', 'id')), 384)


def has_keyfiles():
    """
    Whether cards are set up by keyfiles: on EL9, and on EL8 if no card has an ifcfg file. EL5 to EL7 have network-scripts.
    """
    if not os.path.exists('/usr/sbin/NetworkManager') or os.path.exists(SCRIPTS + '/ifup-eth'):
        return False
    used = [path for path in glob.glob(SCRIPTS + '/ifcfg-*') if not path.endswith('/ifcfg-lo')]
    return not (used and glob.glob(IFCFG_PLUGIN))


def is_on(one):
    return (one.get('onboot') or 'yes').lower() == 'yes'


def is_static(one):
    return one.get('bootproto') in ('static', 'none')


def ifcfg(one):
    device = one['device']
    lines = ['DEVICE=' + device, 'NAME=' + device, 'TYPE=Ethernet', 'ONBOOT=' + ['no', 'yes'][is_on(one)],
             'BOOTPROTO=' + ['dhcp', 'none'][is_static(one)]]
    if mac_of(device):
        lines.append('HWADDR=' + mac_of(device).upper())
    for key, name in (('IPADDR', 'ipaddr'), ('NETMASK', 'netmask'), ('GATEWAY', 'gateway')):
        if is_static(one) and one.get(name):
            lines.append('%s=%s' % (key, one[name]))
    number = 0
    for server in listed(one, 'dns-servers'):
        number += 1
        lines.append('DNS%d=%s' % (number, server))
    if listed(one, 'dns-search-domains'):
        lines.append('DOMAIN="%s"' % ' '.join(listed(one, 'dns-search-domains')))
    return '\n'.join(lines) + '\n'


def keyfile(one, name=None):
    """A connection of NetworkManager. It has no uuid: NetworkManager then makes one from the path."""
    lines = ['[connection]', 'id=' + (name or one['device']), 'type=ethernet']
    if one.get('device'):
        lines.append('interface-name=' + one['device'])
    lines += ['autoconnect=' + ['false', 'true'][is_on(one)], 'autoconnect-priority=%d' % PRIORITY, '', '[ipv4]']
    if not is_static(one):
        lines.append('method=auto')
    elif one.get('ipaddr'):
        gateway = one.get('gateway')
        lines += ['method=manual', 'address1=%s/%d%s' % (one['ipaddr'], bits_of(one), gateway and ',' + gateway or '')]
    else:
        lines.append('method=disabled')
    for key, value in (('dns', 'dns-servers'), ('dns-search', 'dns-search-domains')):
        if listed(one, value):
            lines.append('%s=%s;' % (key, ';'.join(listed(one, value))))
    return '\n'.join(lines + ['', '[ipv6]', 'method=auto', ''])


def bits_of(one):
    """The bits of a netmask: 24 of 255.255.255.0."""
    mask = one.get('netmask') or ''
    bits = ''
    for part in mask.split('.'):
        bits += ''.join([str(int(part or '0') >> shift & 1) for shift in range(7, -1, -1)])
    if not re.match(r'^\d+(\.\d+){3}$', mask) or len(bits) != 32 or not re.match('^1+0*$', bits):
        raise SystemExit('%s has the address %s, but its netmask is "%s"' % (one['device'], one['ipaddr'], mask))
    return bits.count('1')


def listed(one, name):
    return [word.strip() for word in (one.get(name) or '').split(',') if word.strip()]


def files_of(device):
    """The files that name a card, by its name or by its address; all of them would set it up."""
    mac, found = mac_of(device), []
    for path in glob.glob(SCRIPTS + '/ifcfg-*'):
        text = read_text(path)
        if shell_value(text, 'DEVICE') == device or mac and not shell_value(text, 'DEVICE') and shell_value(text, 'HWADDR').lower() == mac:
            found.append(path)
    for path in glob.glob(CONNECTIONS + '/*'):
        text = read_text(path)
        if keyfile_value(text, 'connection', 'type') not in ETHERNET:
            continue
        name = keyfile_value(text, 'connection', 'interface-name')
        macs = [keyfile_value(text, section, 'mac-address').lower() for section in ETHERNET]
        if name == device or mac and not name and mac in macs:
            found.append(path)
    return found


def shell_value(text, key):
    """The value of KEY=value or KEY="value"; empty where there is none."""
    found = re.findall(r'(?m)^[ \t]*%s=["\']?([^"\'\s]*)' % re.escape(key), text)
    return (found or [''])[-1]


def keyfile_value(text, section, key):
    inside, value = False, ''
    for line in text.splitlines():
        line = line.strip()
        if line.startswith('['):
            inside = line == '[%s]' % section
        elif inside and line.split('=', 1)[0].strip() == key and '=' in line:
            value = line.split('=', 1)[1].strip()
    return value


def mac_of(device):
    return read_text('/sys/class/net/%s/address' % device).strip().lower()


def apply_to(device, on):
    """Brings a card up with its new settings, or down."""
    if is_managed(device):
        run_cmd(['nmcli', 'connection', 'reload'])
        if on:
            run_cmd(['nmcli', 'connection', 'up', 'id', device, 'ifname', device])
        else:
            attempt(['nmcli', 'device', 'disconnect', device])
    elif os.path.exists('/sbin/ifup'):
        attempt(['/sbin/ifdown', device])
        if on:
            run_cmd(['/sbin/ifup', device])
    else:
        print('%s gets its settings when the network starts: neither NetworkManager nor ifup can apply them now' % device)


def manages():
    """Whether NetworkManager runs."""
    return asked('-f', 'RUNNING', 'general') == ['running']


def is_managed(device):
    """Whether NetworkManager sets up this card: its settings may leave a card to network-scripts."""
    return manages() and device + ':unmanaged' not in asked('-f', 'DEVICE,STATE', 'device')


def asked(*words):
    """The lines of NetworkManager's answer; none where it is not installed or does not run."""
    try:
        return run(['nmcli', '-t'] + list(words))[1].splitlines()
    except OSError:
        return []


def attempt(command):
    """Runs a command that may fail, such as one that takes down a card that is down."""
    try:
        run_cmd(command)
    except (RuntimeError, OSError):
        print(caught())
