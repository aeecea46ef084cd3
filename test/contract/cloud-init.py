"""What cloud-init's own data source NoCloud makes of the seed in FOLDER, as JSON: cloud-init.py FOLDER"""
import json
import logging
import os
import shutil
import sys
import tempfile

from cloudinit import helpers
from cloudinit.net import network_state
from cloudinit.sources.DataSourceNoCloud import DataSourceNoCloud

logging.disable(logging.CRITICAL)
with tempfile.TemporaryDirectory() as place:
    shutil.copytree(sys.argv[1], os.path.join(place, 'seed/nocloud'))
    paths = helpers.Paths({'cloud_dir': place, 'run_dir': place})
    source = DataSourceNoCloud({'datasource': {'NoCloud': {'fs_label': None}}}, None, paths)
    found = source.get_data()
    said = {'found': found}
    if found:
        said['instance-id'] = source.get_instance_id()
        raw = source.get_userdata_raw()
        said['user-data'] = raw.decode('utf-8') if isinstance(raw, bytes) else raw
        said['network'] = source.network_config
        hostname = source.get_hostname(fqdn=True)
        said['hostname'] = getattr(hostname, 'hostname', hostname)
        if source.network_config:
            state = network_state.parse_net_config_data(source.network_config)
            said['interfaces'] = [
                {'name': one['name'], 'mac': one.get('mac_address'),
                 'subnets': [dict(subnet) for subnet in one['subnets']]}
                for one in state.iter_interfaces()]
    print(json.dumps(said))
