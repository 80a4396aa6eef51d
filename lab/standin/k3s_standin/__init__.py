"""A small, strict stand-in for K3s: real files, ports, log lines and failures, pods as plain processes."""
