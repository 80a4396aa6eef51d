"""The stand-in KubeEdge: cloudcore and edgecore. See docs/standin.md."""
