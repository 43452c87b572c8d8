"""What is said of a method's errors on a test set: numbers that name their protocol, and pictures.

document     errors of faces -> `report.json`: every mean with its count, failures and interval
table        `report.json` -> rows of text, for the console, Markdown and HTML
comparison   two `report.json` -> paired differences
curve        `report.json` -> the cumulative curve, PNG
page         the worst faces and some others, drawn, HTML
"""
