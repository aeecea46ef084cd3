"""The version of tbuild's guest additions. They have the programs and files of Oracle's 3.x, and are not Oracle's."""
VERSION = '1.0.0'


def says(program):
    return '%s %s (tbuild guest additions)' % (program, VERSION)
