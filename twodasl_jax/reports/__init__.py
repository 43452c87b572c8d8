"""Reports of the errors of a method on a test set.

document     errors of faces -> `report.json`: means with counts, failures and intervals
table        `report.json` -> rows of text, for the console, Markdown and HTML
comparison   two `report.json` -> paired differences
curve        `report.json` -> cumulative error curve, PNG
page         `report.json` -> page with the worst and some random faces, HTML
folder       all files of a report
"""
