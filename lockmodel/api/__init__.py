"""What `import lockmodel as lm` offers: questions and answers of the commands, for Python.

answer     what every question returns
given      load, and what other arguments mean
ask        predict, bounds, whatif, levers, ceiling, sweep
measured   read, fit
shown      theory, figure
"""
