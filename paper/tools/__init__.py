"""What builds the paper; `make paper` runs it and knows what is new.

Data flow, one direction:

    lockmodel figure all      paper/figures/NAME.svg, .pdf
    paper/scripts/NAME.py     a script per topic: values, tables, formulae
      -> out.Out              what a script gives
      -> records              paper/numbers/NAME.json
    paper/*.typ, paper/sections/*.typ
      -> prose                what the text names, and that it types no number itself
      -> check                named = written
      -> typeset              paper/numbers/all.json and paper/lockmodel.pdf

What could go wrong is checked where it would: a number typed in the text, a name that no script
writes, a value that the text does not use, a figure or a reference that does not exist. Each
fails the build with its place.
"""
