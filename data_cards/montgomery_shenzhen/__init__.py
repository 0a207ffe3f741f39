"""Montgomery's and Shenzhen's chest X-rays for tuberculosis: card, readers, readings."""
