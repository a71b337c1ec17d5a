"""What `import lockmodel as lm` offers: questions and answers of the commands, for Python.

answer     what every question returns
ask        load, predict, bounds, whatif, levers, ceiling, sweep
measured   read, fit
shown      theory, figure
"""
