"""Predict the readmission of diabetic patients: data, training, promotion and operation."""
