"""The cluster's certificates: the CA, the desk that answers requests, and the controller's own.

Imported only where members have certificates: the library beneath takes a tenth of a second to load.
"""
