"""Labels of security modules that this host does not have.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import libvirt

from lodgetest.host import *

REFUSED = {"apparmor": "<seclabel type='dynamic' model='apparmor' relabel='yes'/>",
           "selinux": "<seclabel type='static' model='selinux' relabel='no'><label>a:b:c:s0</label></seclabel>",
           "bogus": "<seclabel type='none' model='bogus'/>"}


def with_label(host, label):
    return host.guests.sector("tiny").replace("</domain>", f"{label}</domain>")


def test_a_module_that_is_not_there_is_refused_at_the_start(host):
    """The document comes back as it was given; the machine does not run without what it asks for."""
    for model, label in REFUSED.items():
        dom = host.conn.defineXML(with_label(host, label))
        contains(dom.XMLDesc(), f"model='{model}'")
        raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, dom.create, text=f"Security driver model '{model}' is not available")
        dom.undefine()
    for model in REFUSED:
        xml = host.guests.sector("tiny").replace(
            "tiny.img'/>", f"tiny.img'><seclabel model='{model}' relabel='no'/></source>")
        dom = host.conn.defineXML(xml)
        raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, dom.create, text=f"Security driver model '{model}' is not available")
        dom.undefine()


def test_none_and_dac_are_there(host):
    for label in ("<seclabel type='none'/>", "<seclabel type='none' model='none'/>",
                  "<seclabel type='dynamic' model='dac'/>"):
        dom = host.conn.defineXML(with_label(host, label))
        dom.create()
        dom.destroy()
        dom.undefine()
