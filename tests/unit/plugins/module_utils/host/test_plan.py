from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.host import plan

WORKS = {"loaded": True, "works": True, "loadable": True}
LOADABLE = {"loaded": False, "works": False, "loadable": True}
BUILT_IN = {"loaded": False, "works": True, "loadable": False}
ABSENT = {"loaded": False, "works": False, "loadable": False}
ACTIVE = {"active": "active", "enabled": "enabled"}
STOPPED = {"active": "inactive", "enabled": "disabled"}
GATEWAY = {"interface": "eth0", "gateway": "192.0.2.1", "metric": 100}
DUMMY = {"interface": "edgeai0", "gateway": "203.0.113.255", "metric": 1000}


def wanted(**changes):
    return dict({
        "isolated": False, "resolvers": [], "ntp_servers": [], "timezone": "Europe/Berlin",
        "kernel_modules": ["overlay", "br_netfilter", "nf_conntrack"], "sysctls": {}, "journal_max_mib": 200}, **changes)


def fresh(**changes):
    """A Debian host as it comes from its installer."""
    return dict({
        "container": "",
        "files": dict.fromkeys(plan.FILES),
        "timezone": "Etc/UTC", "zone_known": True,
        "modules": {"tree": True, "state": {"overlay": WORKS, "br_netfilter": LOADABLE, "nf_conntrack": WORKS}},
        "sysctls": {"net.ipv4.ip_forward": "0", "fs.inotify.max_user_instances": "128", "fs.inotify.max_user_watches": "65536",
                    "vm.overcommit_memory": "0", "vm.panic_on_oom": "0", "kernel.panic": "0", "kernel.panic_on_oops": "0"},
        "units": {"systemd-timesyncd.service": STOPPED},
        "default_routes": [GATEWAY], "resolver_usable": True, "chrony_sources": False,
    }, **changes)


def after(current, actions):
    """The host once the actions are done, and booted again."""
    host = {key: (dict(value) if isinstance(value, dict) else value) for key, value in current.items()}
    host["modules"] = {"tree": True, "state": dict(current["modules"]["state"])}
    for action in actions:
        if action.kind == "write":
            host["files"][action.target] = action.after
        elif action.kind == "remove":
            host["files"][action.target] = None
        elif action.kind == "link":
            host["timezone"] = action.after.partition("zoneinfo/")[2]
        elif action.kind == "load":
            host["modules"]["state"][action.target] = WORKS
        elif action.kind == "sysctl":
            host["sysctls"][action.target] = action.after
        elif action.kind in ("enable", "restart") and action.target != "systemd-journald.service":
            host["units"][action.target] = dict(host["units"].get(action.target, STOPPED), **(
                {"enabled": "enabled"} if action.kind == "enable" else {"active": "active"}))
            if action.target == plan.ROUTE_UNIT and action.kind == "restart":
                host["default_routes"] = [route for route in host["default_routes"] if route != DUMMY] + [DUMMY]
        elif action.kind == "disable":
            host["units"].pop(action.target, None)
            host["default_routes"] = [route for route in host["default_routes"] if route != DUMMY]
    return host


HOSTS = {
    "fresh": (fresh(), wanted()),
    "isolated": (fresh(default_routes=[], resolver_usable=False), wanted(isolated=True)),
    "isolated with a gateway": (fresh(), wanted(isolated=True)),
    "container": (fresh(container="podman", modules={"tree": False, "state": {
        "overlay": BUILT_IN, "br_netfilter": BUILT_IN, "nf_conntrack": ABSENT}}), wanted()),
    "chrony": (fresh(units={"chrony.service": ACTIVE}, chrony_sources=True), wanted(ntp_servers=["192.0.2.1", "time.plant.example"])),
    "timesyncd with servers": (fresh(), wanted(ntp_servers=["192.0.2.1"])),
    "own settings": (fresh(), wanted(sysctls={"vm.swappiness": "10"}, resolvers=["192.0.2.53"], journal_max_mib=0)),
    "no time service": (fresh(units={}), wanted(timezone="")),
}


@pytest.mark.parametrize("name", sorted(HOSTS))
def test_a_second_run_does_nothing(name):
    current, want = HOSTS[name]
    first, _verdicts = plan.plan(current, want)
    assert first, "a first run that does nothing proves nothing"
    assert all(action.reason for action in first)
    second, _verdicts = plan.plan(after(current, first), want)
    assert second == []


def steps(current, want):
    actions, verdicts = plan.plan(current, want)
    return [(action.kind, action.target) for action in actions], {entry["check"] for entry in verdicts}


def written(current, want, path):
    return next((action.after for action in plan.plan(current, want)[0] if (action.kind, action.target) == ("write", path)), None)


def test_a_fresh_host():
    done, said = steps(fresh(), wanted())
    assert done == [
        ("write", plan.MODULES_FILE), ("load", "br_netfilter"),
        ("write", plan.SYSCTL_FILE),
        ("sysctl", "fs.inotify.max_user_instances"), ("sysctl", "fs.inotify.max_user_watches"),
        ("sysctl", "kernel.panic"), ("sysctl", "kernel.panic_on_oops"),
        ("sysctl", "net.bridge.bridge-nf-call-ip6tables"), ("sysctl", "net.bridge.bridge-nf-call-iptables"),
        ("sysctl", "net.ipv4.ip_forward"), ("sysctl", "vm.overcommit_memory"),
        ("enable", "systemd-timesyncd.service"), ("restart", "systemd-timesyncd.service"),
        ("write", plan.JOURNALD_FILE), ("restart", "systemd-journald.service"),
        ("link", plan.LOCALTIME),
    ]
    assert said == set()


def test_boot_loads_only_modules_that_can_be_loaded():
    current = fresh(modules={"tree": True, "state": {"overlay": BUILT_IN, "br_netfilter": LOADABLE, "nf_conntrack": ABSENT}})
    assert written(current, wanted(), plan.MODULES_FILE).splitlines()[1:] == ["br_netfilter"]
    assert "kernel_modules" in steps(current, wanted())[1]


def test_no_bridge_settings_without_the_bridge_filter():
    current = fresh(modules={"tree": True, "state": {"overlay": WORKS, "br_netfilter": ABSENT, "nf_conntrack": WORKS}})
    assert not [target for _kind, target in steps(current, wanted())[0] if target.startswith("net.bridge")]
    assert "net.bridge" not in written(current, wanted(), plan.SYSCTL_FILE)


def test_more_inotify_than_wanted_is_kept():
    current = fresh(sysctls=dict(fresh()["sysctls"], **{"fs.inotify.max_user_watches": "1048576"}))
    assert "fs.inotify.max_user_watches = 1048576" in written(current, wanted(), plan.SYSCTL_FILE)
    assert ("sysctl", "fs.inotify.max_user_watches") not in steps(current, wanted())[0]


def test_the_users_setting_wins():
    assert "vm.overcommit_memory = 2\n" in written(fresh(), wanted(sysctls={"vm.overcommit_memory": "2"}), plan.SYSCTL_FILE)


def test_a_container_changes_its_network_settings_only():
    current, want = HOSTS["container"]
    done, said = steps(current, want)
    changed = [target for kind, target in done if kind == "sysctl"]
    assert changed and all(target.startswith("net.") for target in changed)
    assert not [line for line in written(current, want, plan.SYSCTL_FILE).splitlines()[1:] if not line.startswith("net.")]
    assert not [step for step in done if step[0] == "load" or "timesyncd" in step[1]]
    assert said == {"sysctls", "kernel_modules"}


def test_time_servers_go_where_the_service_reads_them():
    current, want = HOSTS["chrony"]
    assert "server 192.0.2.1 iburst\nserver time.plant.example iburst\n" in written(current, want, plan.CHRONY_FILE)
    assert ("refresh", "chrony.service") in steps(current, want)[0]
    assert written(current, want, plan.TIMESYNCD_FILE) is None
    assert "NTP=192.0.2.1\n" in written(*HOSTS["timesyncd with servers"], plan.TIMESYNCD_FILE)


def test_a_chrony_without_drop_ins_gets_a_word():
    current = fresh(units={"chronyd.service": ACTIVE})
    done, said = steps(current, wanted(ntp_servers=["192.0.2.1"]))
    assert said == {"time_sync"} and not [step for step in done if "chrony" in step[1]]


def test_changed_servers_restart_a_running_timesyncd():
    current = fresh(units={"systemd-timesyncd.service": ACTIVE})
    assert ("restart", "systemd-timesyncd.service") in steps(current, wanted(ntp_servers=["192.0.2.1"]))[0]
    assert ("restart", "systemd-timesyncd.service") not in steps(current, wanted())[0]


def test_no_time_service_is_said():
    assert steps(*HOSTS["no time service"])[1] == {"time_sync"}


def test_an_unknown_time_zone_is_said_and_not_linked():
    done, said = steps(fresh(zone_known=False), wanted())
    assert said == {"timezone"} and ("link", plan.LOCALTIME) not in done


def test_debians_second_time_zone_file_follows():
    current = fresh(timezone="Europe/Berlin")
    current["files"][plan.TIMEZONE_FILE] = "Etc/UTC\n"
    assert ("write", plan.TIMEZONE_FILE) in steps(current, wanted())[0]
    assert ("write", plan.TIMEZONE_FILE) not in steps(fresh(), wanted())[0]


ROUTE = [("write", plan.ROUTE_FILE), ("reload", "systemd"), ("enable", plan.ROUTE_UNIT), ("restart", plan.ROUTE_UNIT)]


def route_steps(current, want):
    return [step for step in steps(current, want)[0] if step[1] in (plan.ROUTE_FILE, "systemd", plan.ROUTE_UNIT)]


def standing(**changes):
    """An isolated host with its dummy route."""
    current = fresh(default_routes=[DUMMY], units={plan.ROUTE_UNIT: ACTIVE, "chrony.service": ACTIVE})
    current["files"] = dict(current["files"], **{plan.ROUTE_FILE: plan.ROUTE_UNIT_TEXT})
    return dict(current, **changes)


@pytest.mark.parametrize(("current", "isolated", "expected"), [
    (fresh(default_routes=[]), True, ROUTE),
    (fresh(default_routes=[]), False, []),
    (fresh(), True, []),
    (standing(), True, []),
    (standing(default_routes=[DUMMY, GATEWAY]), True, []),
    (standing(default_routes=[]), True, [("restart", plan.ROUTE_UNIT)]),
    (standing(units={plan.ROUTE_UNIT: {"active": "active", "enabled": "disabled"}}), True,
     [("enable", plan.ROUTE_UNIT), ("restart", plan.ROUTE_UNIT)]),
    (standing(), False, [("disable", plan.ROUTE_UNIT), ("remove", plan.ROUTE_FILE), ("reload", "systemd")]),
])
def test_dummy_route(current, isolated, expected):
    assert route_steps(current, wanted(isolated=isolated)) == expected


def test_a_changed_unit_is_written_and_restarted():
    current = standing()
    current["files"][plan.ROUTE_FILE] = "old\n"
    assert route_steps(current, wanted(isolated=True)) == [
        ("write", plan.ROUTE_FILE), ("reload", "systemd"), ("restart", plan.ROUTE_UNIT)]


@pytest.mark.parametrize(("current", "want", "line"), [
    (fresh(), wanted(resolvers=["192.0.2.53", "192.0.2.54"]), "nameserver 192.0.2.53\nnameserver 192.0.2.54\n"),
    (fresh(resolver_usable=False), wanted(isolated=True), "nameserver 203.0.113.255\n"),
    (fresh(resolver_usable=True), wanted(isolated=True), None),
    (fresh(resolver_usable=False), wanted(), None),
])
def test_resolver_file(current, want, line):
    content = written(current, want, plan.RESOLV_FILE)
    assert content is None if line is None else line in content


@pytest.mark.parametrize(("changes", "word"), [
    ({"resolvers": ["127.0.0.53"]}, "host_resolvers"),
    ({"resolvers": ["192.0.2.53\noptions x"]}, "host_resolvers"),
    ({"ntp_servers": ["a b"]}, "host_ntp_servers"),
    ({"ntp_servers": ["a\n"]}, "host_ntp_servers"),
    ({"timezone": "Europe/Berlin\n"}, "host_timezone"),
    ({"timezone": "../../etc/shadow"}, "host_timezone"),
    ({"kernel_modules": ["overlay; reboot"]}, "host_kernel_modules"),
    ({"sysctls": {"../etc/passwd": "1"}}, "host_sysctls"),
    ({"sysctls": {"net.ipv4.ip_forward": "1\nkernel.panic = 1"}}, "host_sysctls"),
    ({"sysctls": {"panic": "1"}}, "host_sysctls"),
])
def test_hostile_settings_are_refused(changes, word):
    errors = plan.check_wanted(wanted(**changes))
    assert len(errors) == 1 and word in errors[0]


def test_usual_settings_are_fine():
    assert plan.check_wanted(wanted(
        resolvers=["192.0.2.53", "2001:db8::53"], ntp_servers=["192.0.2.1", "time.plant.example"],
        timezone="America/Argentina/Buenos_Aires",
        sysctls={"net.ipv4.tcp_rmem": "4096 87380 6291456", "net.ipv4.conf.eth0.rp_filter": "2"})) == []


def test_the_result_of_one_step_feeds_no_shared_state():
    current = fresh()
    before = dict(current["files"])
    plan.plan(current, wanted())
    assert current["files"] == before
