"""The local AWS: MiniStack with an Auto Scaling that plays lifecycle states, and with what the stack needs besides.

Runs in MiniStack's own environment (``.cache/ministack``), as ``python -m local_aws`` from the folder ``lab``: there
the project's other packages cannot be imported, so nothing of them masks what the Lambda bundle lacks.
"""
