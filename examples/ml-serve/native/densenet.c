/* SPDX-License-Identifier: Apache-2.0 */
/* densenet: one dense layer, y = act(W x + b), over float32 weights as safetensors stores them. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <math.h>
#include <string.h>

static float float_at(const char *bytes, Py_ssize_t index)
{
    float value;
    memcpy(&value, bytes + index * (Py_ssize_t)sizeof value, sizeof value);
    return value;
}

static PyObject *apply(const Py_buffer *weight, const Py_buffer *bias, PyObject *inputs,
                       int tanh_on)
{
    Py_ssize_t columns = PySequence_Fast_GET_SIZE(inputs);
    Py_ssize_t rows = bias->len / (Py_ssize_t)sizeof(float);
    if (weight->len != rows * columns * (Py_ssize_t)sizeof(float)) {
        PyErr_SetString(PyExc_ValueError, "the weights do not fit the inputs");
        return NULL;
    }
    PyObject *result = PyList_New(rows);
    for (Py_ssize_t i = 0; result && i < rows; i++) {
        double sum = (double)float_at(bias->buf, i);
        for (Py_ssize_t k = 0; k < columns; k++) {
            double x = PyFloat_AsDouble(PySequence_Fast_GET_ITEM(inputs, k));
            if (x == -1.0 && PyErr_Occurred()) {
                Py_DECREF(result);
                return NULL;
            }
            sum += x * (double)float_at(weight->buf, i * columns + k);
        }
        PyList_SET_ITEM(result, i, PyFloat_FromDouble(tanh_on ? tanh(sum) : sum));
    }
    return result;
}

static PyObject *dense(PyObject *self, PyObject *args)
{
    Py_buffer weight;
    Py_buffer bias;
    PyObject *sequence;
    int tanh_on;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*Op", &weight, &bias, &sequence, &tanh_on))
        return NULL;
    PyObject *inputs = PySequence_Fast(sequence, "the inputs are no sequence");
    PyObject *result = inputs ? apply(&weight, &bias, inputs, tanh_on) : NULL;
    Py_XDECREF(inputs);
    PyBuffer_Release(&weight);
    PyBuffer_Release(&bias);
    return result;
}

static PyMethodDef methods[] = {
    { "dense", dense, METH_VARARGS, "dense(weight, bias, inputs, tanh) -> list of float" },
    { NULL, NULL, 0, NULL },
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "densenet", NULL, -1, methods, NULL, NULL, NULL, NULL
};

PyMODINIT_FUNC PyInit_densenet(void)
{
    return PyModule_Create(&module);
}
