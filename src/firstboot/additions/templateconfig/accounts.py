"""Users, groups and passwords."""
import grp
import os
import pwd
import re

from templateconfig.common import run_cmd

NAME = re.compile('^[a-z_][a-z0-9_-]{0,31}$')


def set_password(user, password):
    """Sets a password. It goes in by standard input: a process list shows arguments. login.defs or PAM decide how it is hashed."""
    if '\n' in password or '\0' in password:
        raise SystemExit('the password of %s has several lines or a zero byte' % user)
    run_cmd(['chpasswd'], '%s:%s\n' % (user, password))


def lock(user):
    run_cmd(['usermod', '-p', '!!', user])


def find(user):
    """The passwd entry of a user; None where there is none."""
    try:
        return pwd.getpwnam(user)
    except KeyError:
        return None


def check_name(name):
    if not NAME.match(name):
        raise SystemExit('not the name of a user or group: %r' % name)
    return name


def gid_of(group):
    """The number of a group, which is made where it is missing. A number stands for itself."""
    if re.match('^[0-9]+$', group):
        try:
            grp.getgrgid(int(group))
        except KeyError:
            raise SystemExit('no group has the number %s' % group)
        return group
    try:
        return str(grp.getgrnam(check_name(group)).gr_gid)
    except KeyError:
        run_cmd(['groupadd', group])
        return str(grp.getgrnam(group).gr_gid)


def home_of(user):
    """The home of a user who has to exist, as (path, uid, gid)."""
    entry = find(user)
    if entry is None:
        raise SystemExit('no such user: %s' % user)
    if not os.path.isdir(entry.pw_dir):
        raise SystemExit('%s, the home of %s, is not a folder' % (entry.pw_dir, user))
    return entry.pw_dir, entry.pw_uid, entry.pw_gid
