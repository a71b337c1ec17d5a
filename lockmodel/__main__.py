"""`python -m lockmodel`."""

from lockmodel.cli import main

main()
