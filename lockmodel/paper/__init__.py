"""The paper: figures, numbers, tables and the text that may only name them.

Data flow, one direction:

    paper/figures_src/NAME.py, numbers_src/NAME.py  (a script per figure and per topic)
      -> out.Out        what a script gives: values, tables, formulae, drawings
      -> records        paper/numbers/NAME.json and paper/figures/NAME.svg, .pdf, each stamped
                        with a hash of all they were made from
    paper/*.typ, paper/sections/*.typ
      -> prose          what the text names, and that it types no number itself
      -> check          named = written, and everything written is of the present inputs
      -> typeset        paper/numbers/all.json and paper/lockmodel.pdf

What could go wrong is checked where it would: a number typed in the text, a name that no script
writes, a value that the text does not use, a file made from other data, models or modules than
the present, a figure or a reference that does not exist. Each fails the build with its place.
Nothing is reused unless the hash of every input, of the script and of the libraries agrees.
"""
