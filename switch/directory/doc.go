// Package directory reads a campus from CSV files: classes, merchants, doors, terminals with their keys, holders and cards.
//
// The one idea: an import is all or nothing, and whoever prepares the files hears of everything that is wrong with them at once, with file,
// line and column, in words that say what to do. Reading knows the files and their columns; what fits together, and what is registered
// already, is checked by the core.
//
// Names of people and places stay out of the ledger, whose entries are for ever: they are returned apart, for rows that can be erased.
// It opens no ledger and applies nothing.
package directory
