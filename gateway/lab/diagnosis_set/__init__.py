"""The labelled set of image diagnosis: drawn places, seen by drawn cameras in every light, well and with each fault.

Everything is a function of a seed. ``python -m gateway.lab.diagnosis_set`` measures precision and recall on it, or on a
folder of labelled pictures.
"""
