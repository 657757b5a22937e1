"""``python -m local_aws``, from the folder ``lab``."""

from .launch import main

main()
