"""What ``swift --external_plugins`` imports; in a folder of its own, since swift puts that folder on the path."""

from rlkit.bridges.ms_swift import register

register()
