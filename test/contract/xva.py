"""Reads an XVA as xapi's recv_all does (ocaml/xapi/stream_vdi.ml), and prints what it describes.

usage: xva.py FILE FOLDER    writes each disk into FOLDER, named after its name_label
"""
import hashlib
import json
import sys
import tarfile
import xmlrpc.client

chunk = 1 << 20


def main(path, folder):
    tar = tarfile.open(path, "r:")
    entries = iter(tar)
    first = next(entries)
    assert first.name == "ova.xml", first.name
    text = tar.extractfile(first).read().decode()
    text = text.split("?>", 1)[1]
    call = "<?xml version='1.0'?><methodResponse><params><param>%s</param></params></methodResponse>" % text
    (found,), _ = xmlrpc.client.loads(call)
    objects = found["objects"]
    vdis = {one["id"]: one["snapshot"] for one in objects if one["class"] == "VDI"}
    pending = next(entries, None)
    # for_each_vdi: in the order of the references, compared as texts
    for prefix in sorted(vdis):
        size, offset, last, first_length = int(vdis[prefix]["virtual_size"]), 0, "-1", -1
        with open("%s/%s.img" % (folder, vdis[prefix]["name_label"]), "wb") as out:
            out.truncate(size)
            while size - offset > 0:
                assert pending is not None, "the archive ends before %s does" % prefix
                assert pending.name.startswith(prefix), (prefix, pending.name)
                suffix = pending.name[len(prefix) + 1:]
                assert suffix > last, (last, suffix)
                data = tar.extractfile(pending).read()
                if first_length < 0:
                    first_length = len(data)
                skipped = (int(suffix) - int(last) - 1) * first_length
                out.seek(offset + skipped)
                out.write(data)
                sum_entry = next(entries)
                assert sum_entry.name == pending.name + ".checksum", sum_entry.name
                stored = tar.extractfile(sum_entry).read().decode()
                assert stored == hashlib.sha1(data).hexdigest(), pending.name
                offset += skipped + len(data)
                last = suffix
                pending = next(entries, None)
    assert pending is None, "after the last disk there is " + pending.name
    print(json.dumps(found, default=str))


main(*sys.argv[1:])
